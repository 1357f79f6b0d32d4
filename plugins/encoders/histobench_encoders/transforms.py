"""Images resampled on any device as Pillow does it, to the level.

Published encoders resample 8-bit images with Pillow: first along the rows, then along the columns, rounding to whole
levels after each; what torch does in one pass differs by a level here and there.
"""

from typing import Literal

from torch import Tensor, nn

__all__ = ["centre_crop", "resample"]


def resample(images: Tensor, side: int, interpolation: Literal["bilinear", "bicubic"], /) -> Tensor:
    """Resample (n, c, h, w) levels 0 … 255 to (n, c, side, side) whole levels; the filter grows on reduction."""
    levels = images.float()
    for size in ((levels.shape[2], side), (side, side)):
        if levels.shape[2:] != size:
            levels = nn.functional.interpolate(levels, size=size, mode=interpolation, antialias=True)
            # Pillow rounds halves up and cuts off what a bicubic filter overshoots
            levels = (levels + 0.5).floor().clamp(0, 255)
    return levels


def centre_crop(images: Tensor, side: int, /) -> Tensor:
    """Cut (n, c, side, side) from the middle of (n, c, h, w), as torchvision places it."""
    top, left = (round((length - side) / 2) for length in images.shape[2:])
    return images[:, :, top : top + side, left : left + side]
