"""Resample images on any device exactly as Pillow does.

Published encoders resample 8-bit images with Pillow: first along the rows, then along the columns, with 22-bit fixed
point weights, rounding halves up to whole levels after each pass. torch resamples in one pass of floats, which differs
by one level at some pixels. Here the weights are a matrix of integers, and products of such integers are exact in
float64.
"""

from functools import lru_cache
from typing import Literal, TypeAlias

import torch
from torch import Tensor

__all__ = ["centre_crop", "resample"]

_Filter: TypeAlias = Literal["bilinear", "bicubic"]

_ONE = 2.0**22  # Pillow's fixed point for 8-bit images
_REACH = {"bilinear": 1.0, "bicubic": 2.0}
_KEYS = -0.5  # the parameter of Pillow's bicubic filter


def resample(images: Tensor, side: int, interpolation: _Filter, /) -> Tensor:
    """Resample (n, c, h, w) levels 0 … 255 to (n, c, side, side) whole levels; on reduction the filter widens."""
    levels = images
    height, width = images.shape[2:]
    if width != side:
        weights = _weights(width, side, interpolation).to(images.device)
        levels = _to_levels(levels.double() @ weights.T)
    if height != side:
        weights = _weights(height, side, interpolation).to(images.device)
        levels = _to_levels(weights @ levels.double())
    return levels.float()


def centre_crop(images: Tensor, side: int, /) -> Tensor:
    """Cut (n, c, side, side) from the middle of (n, c, h, w), as torchvision places it."""
    top, left = (round((length - side) / 2) for length in images.shape[2:])
    return images[:, :, top : top + side, left : left + side]


def _to_levels(sums: Tensor) -> Tensor:
    return ((sums + _ONE / 2) / _ONE).floor().clamp(0, 255)


@lru_cache(maxsize=16)
def _weights(length: int, side: int, interpolation: _Filter) -> Tensor:
    """Return the weight of each of ``length`` pixels in each of ``side``: (side, length) whole multiples of 2⁻²²."""
    # on the CPU, because the result is cached whatever the default device is
    with torch.device("cpu"):
        scale = length / side
        stretch = max(scale, 1.0)
        centres = (torch.arange(side, dtype=torch.float64) + 0.5) * scale
        reach = _REACH[interpolation] * stretch
        first = (centres - reach + 0.5).trunc().clamp(min=0)[:, None]
        last = (centres + reach + 0.5).trunc().clamp(max=length)[:, None]
        pixels = torch.arange(length, dtype=torch.float64)[None]
        heights = _height((pixels - centres[:, None] + 0.5) / stretch, interpolation)
        heights = torch.where((pixels >= first) & (pixels < last), heights, 0.0)
        fixed = heights / heights.sum(dim=1, keepdim=True) * _ONE
        return (fixed + 0.5 * fixed.sign()).trunc()


def _height(distance: Tensor, interpolation: _Filter) -> Tensor:
    """Evaluate the filter at (…) distances, in pixels."""
    x = distance.abs()
    if interpolation == "bilinear":
        return (1 - x).clamp(min=0)
    near = ((_KEYS + 2) * x - (_KEYS + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * _KEYS
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
