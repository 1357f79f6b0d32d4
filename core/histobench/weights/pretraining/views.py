"""Random views of patches for self-supervised training: cropped, turned, with other colours, some of them blurred.

Random numbers come from torch's generator, which the loop seeds for every step. All functions map (n, s, s, 3) uint8 to
the same shape and type.
"""

import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional

from histobench.training import ColourJitter, jitter_colours, turn_at_random
from histobench.weights.pretraining.options import JitterOptions

__all__ = ["crop_at_random", "varied_view"]

_BLUR = (0.1, 2.0)  # deviation of the kernel in pixels, DINO
_THREE_QUARTERS = (0.75, 4 / 3)  # ratio of the crop's sides, as all three publications draw it


def varied_view(patches: Tensor, options: JitterOptions, areas: tuple[float, float], /) -> Tensor:
    """Return a random view of each of (n, s, s, 3) uint8 patches: cropped, turned, recoloured, perhaps blurred.

    Parameters
    ----------
    areas
        Smallest and largest share of the patch's area that is shown.
    """
    jitter = ColourJitter(
        brightness=options.brightness,
        contrast=options.contrast,
        saturation=options.saturation,
        hue=options.hue,
        share=options.jitter_share,
    )
    return _blur(jitter_colours(crop_at_random(patches, areas), jitter), options.blur_share)


def crop_at_random(patches: Tensor, areas: tuple[float, float], /) -> Tensor:
    """Crop a random part of each of (n, s, s, 3) uint8 patches, turn it at random, and resize it."""
    n = len(patches)
    area = torch.empty(n).uniform_(*areas)
    low, high = torch.tensor(_THREE_QUARTERS).log().tolist()
    ratio = torch.empty(n).uniform_(low, high).exp()
    # half sides of the part in units where the patch spans -1 … 1
    sides = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()]).clamp(max=1.0)
    centres = (1 - sides) * (2 * torch.rand(2, n) - 1)
    affine = torch.zeros(n, 2, 3)
    affine[:, 0, 0], affine[:, 1, 1] = sides
    affine[:, 0, 2], affine[:, 1, 2] = centres
    images = turn_at_random(patches).permute(0, 3, 1, 2).float()
    grid = nn.functional.affine_grid(affine.to(patches.device), list(images.shape), align_corners=False)
    shown = nn.functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return shown.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def _blur(patches: Tensor, share: float) -> Tensor:
    """Blur some of the patches, with one kernel per call."""
    sigma = float(torch.empty(1).uniform_(*_BLUR))
    rows = torch.nonzero(torch.rand(len(patches)) < share).flatten().to(patches.device)
    if not len(rows):
        return patches
    result = patches.clone()
    size = 2 * round(2 * sigma) + 1
    images = patches[rows].permute(0, 3, 1, 2)
    result[rows] = functional.gaussian_blur(images, [size, size], [sigma]).permute(0, 2, 3, 1)
    return result
