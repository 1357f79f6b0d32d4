"""The projector that CUCA, CUCAMLP, MLP and FMMLP put behind the encoder."""

from torch import nn

from histobench_heads.frames.spotwise.options import ProjectorOptions

__all__ = ["make_projector"]


def make_projector(features: int, options: ProjectorOptions, *, closed: bool) -> nn.Sequential:
    """Make the projector from (n, features) to (n, projection), its layers at their published indices.

    0 linear, 1 norm, 2 ReLU, 3 dropout, 4 linear, 5 norm, 6 ReLU, 7 dropout, 8 linear; ``closed`` adds 9 norm and
    10 ReLU. Without batch normalisation the norms are identities, so that the indices stay.
    """

    def norm(width: int) -> nn.Module:
        return nn.BatchNorm1d(width) if options.batch_norm else nn.Identity()

    layers: list[nn.Module] = []
    for width in (features, options.hidden):
        layers += [nn.Linear(width, options.hidden), norm(options.hidden), nn.ReLU(), nn.Dropout(options.dropout)]
    layers.append(nn.Linear(options.hidden, options.projection))
    if closed:
        layers += [norm(options.projection), nn.ReLU()]
    return nn.Sequential(*layers)
