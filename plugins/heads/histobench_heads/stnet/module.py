"""The network of ST-Net: an encoder that is trained, and one linear layer."""

import torch
from torch import Tensor, nn
from typing_extensions import override

from histobench import Float
from histobench_heads.frames.normalisation import PixelStatistics

__all__ = ["StNetModule"]


class StNetModule(nn.Module):
    """From (n, h, w, 3) patches in 0 … 255 to (n, t); no activation on the output.

    Parameters
    ----------
    features
        Width of the encoder's embedding: 1024 for DenseNet-121.
    pixels
        Statistics for the normalisation; ``None`` for those of the encoder.
    """

    def __init__(self, backbone: nn.Module, features: int, n_targets: int, pixels: PixelStatistics | None) -> None:
        super().__init__()
        self.backbone = backbone
        self.pixels = pixels
        self.head = nn.Linear(features, n_targets)

    def start_at(self, mean: Float) -> None:
        """Set the last layer to predict (t,) ``mean`` for every patch, as published before the first step."""
        with torch.no_grad():
            self.head.weight.zero_()
            self.head.bias.copy_(torch.as_tensor(mean))

    def embed(self, patches: Tensor) -> Tensor:
        """Pool the encoder's features: (n, d)."""
        images = patches if self.pixels is None else self.pixels(patches, self.backbone)
        features: Tensor = self.backbone(images)
        return features

    @override
    def forward(self, patches: Tensor) -> Tensor:
        predicted: Tensor = self.head(self.embed(patches))
        return predicted
