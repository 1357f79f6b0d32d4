"""The views of a test patch that HE2Gene averages: windows of 0.5, 1 and 1.5 times the width, and symmetries.

``he2gene.md``, section 5.1. The widest window is read, with proportionally more pixels, and the others are cut from its
middle; published: each window is read from the slide and resized once.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from histobench.training import SYMMETRIES, mirror_and_turn
from histobench_heads.he2gene.options import Average

__all__ = ["middle", "views"]


def middle(patches: Tensor, side: int, /) -> Tensor:
    """Cut the middle (n, side, side, 3) out of wider patches."""
    start = (patches.shape[1] - side) // 2
    return patches[:, start : start + side, start : start + side]


def views(patches: Tensor, average: Average, patch_px: int, /) -> Iterator[Tensor]:
    """Yield the (n, patch_px, patch_px, 3) views of (n, s, s, 3) patches, s from `options.side_to_read`."""
    windows = [middle(patches, patch_px)]
    if average.startswith("grid"):
        windows += [_resize(middle(patches, max(1, patch_px // 2)), patch_px), _resize(patches, patch_px)]
    symmetries = SYMMETRIES if average.endswith("tta") else SYMMETRIES[:1]
    for window in windows:
        for symmetry in symmetries:
            yield mirror_and_turn(window, symmetry)


def _resize(patches: Tensor, side: int) -> Tensor:
    images = patches.permute(0, 3, 1, 2).float()
    resized = functional.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
    # whole grey levels, as in an 8-bit image
    return torch.round(resized).clamp(0, 255).permute(0, 2, 3, 1)
