"""The modules of LinearProbing, MLP and FMMLP; attributes carry the published names."""

from torch import Tensor, nn
from typing_extensions import override

__all__ = ["LinearModule", "MlpModule"]


class LinearModule(nn.Module):
    """LinearProbing: (n, d) features to (n, t), no activation, no normalisation."""

    def __init__(self, features: int, n_targets: int) -> None:
        super().__init__()
        self.linearprob_head = nn.Linear(features, n_targets)

    @override
    def forward(self, images: Tensor) -> Tensor:
        predicted: Tensor = self.linearprob_head(images)
        return predicted


class MlpModule(nn.Module):
    """MLP, and FMMLP with a backbone: images to (n, t).

    There is no activation between projector and regression, so that in evaluation the last two linear layers are one
    affine map.
    """

    def __init__(self, projector: nn.Sequential, n_targets: int, backbone: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.projector_head = projector
        self.regression_head = nn.Linear(_width(projector), n_targets)

    def embed(self, images: Tensor) -> Tensor:
        """Project (n, d) features, or patches with a backbone, to (n, q)."""
        features = images if self.backbone is None else self.backbone(images)
        embedding: Tensor = self.projector_head(features)
        return embedding

    @override
    def forward(self, images: Tensor) -> Tensor:
        predicted: Tensor = self.regression_head(self.embed(images))
        return predicted


def _width(projector: nn.Sequential) -> int:
    return next(layer.out_features for layer in reversed(projector) if isinstance(layer, nn.Linear))
