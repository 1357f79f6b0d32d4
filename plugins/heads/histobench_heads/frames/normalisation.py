"""Patches normalised by their own training set, for methods published with an encoder that is trained on them.

An encoder normalises by the statistics that it was pretrained with. ST-Net and HE2Gene feed theirs pixels normalised by
the channels of their training patches instead: `PixelStatistics` recolours patches so that the encoder's own
normalisation gives just that.
"""

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from histobench import Patches

__all__ = ["PixelStatistics"]

_PATCHES_AT_ONCE = 32


class PixelStatistics(nn.Module):
    """Mean and deviation of red, green and blue in [0, 1], kept with a method's weights.

    An encoder must provide its own statistics as buffers ``mean`` and ``std`` of (3, 1, 1) as all of timm's do here; an
    encoder without them keeps its normalisation.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("std", torch.ones(3))

    def measure(self, patches: Patches) -> None:
        """Measure all pixels of n patches of (h, w, 3) uint8, each counted once."""
        total, squares, pixels = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64), 0
        for start in range(0, len(patches), _PATCHES_AT_ONCE):
            part = torch.as_tensor(patches[np.arange(start, min(start + _PATCHES_AT_ONCE, len(patches)))]).flatten(0, 2)
            # whole numbers: exact, whatever the order
            total += part.sum(dim=0)
            squares += part.to(torch.int64).square().sum(dim=0)
            pixels += len(part)
        mean = total / pixels
        variance = (squares / pixels - mean**2).clamp(min=1.0)  # a grey level: patches of one colour divide by no zero
        self.mean.copy_(mean / 255)
        self.std.copy_(variance.sqrt() / 255)

    @override
    def forward(self, patches: Tensor, encoder: nn.Module) -> Tensor:
        """Recolour (n, h, w, 3) patches in 0 … 255 for an encoder, as float32 that may leave this range."""
        mean, std = getattr(encoder, "mean", None), getattr(encoder, "std", None)
        if not isinstance(mean, Tensor) or not isinstance(std, Tensor):
            return patches
        scale = std.flatten() / self.std
        return patches * scale + 255 * (mean.flatten() - self.mean * scale)
