"""Differentiable augmentation of what the discriminator sees (``clip_gan.md``, section 4).

Zhao et al. (2020), *NeurIPS* 33: real and generated images are augmented at random, and the generator gets gradients
through the augmentation. All draws come from torch's global generator.
"""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["change_colours", "cut_out", "diff_augment", "shift"]

_SHIFT, _CUTOUT = 0.125, 0.2  # shares of the side


def diff_augment(images: Tensor) -> Tensor:
    """Vary colours, shift and cut a square out of each of (n, 3, h, w) images in [-1, 1]; missing pixels are grey."""
    return cut_out(shift(change_colours(images)))


def change_colours(images: Tensor) -> Tensor:
    """Vary brightness, saturation and contrast, in this order, of each of (n, 3, h, w)."""
    brightness, saturation, contrast = torch.rand(3, len(images), 1, 1, 1, device=images.device)
    images = images + brightness - 0.5
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * (2 * saturation)
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    changed: Tensor = middle + (images - middle) * (contrast + 0.5)
    return changed


def shift(images: Tensor) -> Tensor:
    """Shift each of (n, c, h, w) by up to an eighth of its side; new pixels are zero."""
    n, _, h, w = images.shape
    reach_y, reach_x = int(h * _SHIFT + 0.5), int(w * _SHIFT + 0.5)
    device = images.device
    down = torch.randint(-reach_y, reach_y + 1, (n, 1, 1), device=device)
    right = torch.randint(-reach_x, reach_x + 1, (n, 1, 1), device=device)
    padded = functional.pad(images, (reach_x, reach_x, reach_y, reach_y)).permute(0, 2, 3, 1)
    rows = torch.arange(h, device=device)[None, :, None] - down + reach_y
    columns = torch.arange(w, device=device)[None, None, :] - right + reach_x
    return padded[torch.arange(n, device=device)[:, None, None], rows, columns].permute(0, 3, 1, 2)


def cut_out(images: Tensor) -> Tensor:
    """Set a square of a fifth of the side to zero in each of (n, c, h, w); at the border it is clipped."""
    n, _, h, w = images.shape
    covered = [_window(n, side, images.device) for side in (h, w)]
    hidden = covered[0][:, None, :, None] & covered[1][:, None, None, :]
    return images.masked_fill(hidden, 0.0)


def _window(n: int, side: int, device: torch.device) -> Tensor:
    """Draw the pixels that a window covers along one axis: (n, side) bool."""
    width = int(side * _CUTOUT + 0.5)
    centre = torch.randint(0, side + (1 - width % 2), (n, 1), device=device)
    # both ends are clamped, so that a window beyond the border keeps the outermost pixel
    first = (centre - width // 2).clamp(0, side - 1)
    last = (centre - width // 2 + width - 1).clamp(0, side - 1)
    places = torch.arange(side, device=device)
    return (places >= first) & (places <= last)
