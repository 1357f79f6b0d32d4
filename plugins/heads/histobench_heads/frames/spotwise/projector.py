"""The projector that CUCA, CUCAMLP, MLP and FMMLP put behind the encoder."""

from torch import nn

__all__ = ["make_projector"]


def make_projector(
    features: int, hidden: int, *, projection: int, dropout: float, batch_norm: bool, closed: bool
) -> nn.Sequential:
    """Make the projector from (n, features) to (n, projection), its layers at their published indices.

    0 linear, 1 norm, 2 ReLU, 3 dropout, 4 linear, 5 norm, 6 ReLU, 7 dropout, 8 linear; ``closed`` adds 9 norm and
    10 ReLU. Without ``batch_norm`` the norms are identities, so that the indices stay.
    """

    def norm(width: int) -> nn.Module:
        return nn.BatchNorm1d(width) if batch_norm else nn.Identity()

    layers: list[nn.Module] = []
    for width in (features, hidden):
        layers += [nn.Linear(width, hidden), norm(hidden), nn.ReLU(), nn.Dropout(dropout)]
    layers.append(nn.Linear(hidden, projection))
    if closed:
        layers += [norm(projection), nn.ReLU()]
    return nn.Sequential(*layers)
