"""Hist2ST's self-distillation: the prediction for a slide is pulled towards those for its augmented copies.

Written from the specification ``hist2st.md``, Inputs and Loss.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as vision

__all__ = ["augmented", "distilled"]

_GREY, _FLIPPED, _DEGREES = 0.1, 0.2, 90.0  # hist2st.md, Inputs
_SPOTS_AT_ONCE = 256  # rotation converts them to float


def augmented(patches: Tensor, /) -> Tensor:
    """Augment all of (n, p, p, 3) uint8 patches alike: greyscale, rotation and flip, drawn from torch's generator.

    Published patches have their columns first, so that a left-right flip there is an upside-down flip here.
    """
    grey, flipped, turned = torch.rand(3).tolist()
    degrees = (2 * turned - 1) * _DEGREES
    parts = []
    for part in torch.split(patches, _SPOTS_AT_ONCE):
        images = part.permute(0, 3, 1, 2)
        if grey < _GREY:
            images = vision.rgb_to_grayscale(images, num_output_channels=3)
        images = vision.rotate(images, degrees, InterpolationMode.NEAREST, fill=[0.0])
        parts.append((vision.vertical_flip(images) if flipped < _FLIPPED else images).permute(0, 2, 3, 1))
    return torch.cat(parts)


def distilled(values: Sequence[Tensor], scores: Sequence[Tensor]) -> Tensor:
    """Average the (n, t) predictions of all copies, weighted by the softmax of their (n, 1) scores: (n, t)."""
    weights = torch.stack(list(scores)).softmax(dim=0)
    return (weights * torch.stack(list(values))).sum(dim=0)
