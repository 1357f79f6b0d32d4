"""Hist2ST's self-distillation: a slide's prediction is drawn towards those of its augmented copies.

Written from the specification ``hist2st.md``, Inputs and Loss.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as vision

__all__ = ["augmented", "distilled"]

_GREY, _FLIPPED, _DEGREES = 0.1, 0.2, 90.0  # hist2st.md, Inputs
_SPOTS_AT_ONCE = 256  # turning makes floats of them


def augmented(patches: Tensor, /) -> Tensor:
    """Change all of (n, p, p, 3) uint8 patches alike: grey or not, turned, flipped or not; torch's generator draws.

    Published patches have their columns first, so that what is flipped left to right there is upside down here.
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
    """Weigh the (n, t) predictions of all copies by the softmax of their (n, 1) scores, spot by spot: (n, t)."""
    weights = torch.stack(list(scores)).softmax(dim=0)
    return (weights * torch.stack(list(values))).sum(dim=0)
