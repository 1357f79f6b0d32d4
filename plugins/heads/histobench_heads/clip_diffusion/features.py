"""Features of a frozen encoder for patches of any size, real or drawn."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from histobench import Float, Patches

__all__ = ["embed_patches"]

_AT_ONCE = 64


@torch.no_grad()
def embed_patches(module: nn.Module, patches: Patches, *, side: int, device: str) -> Float:
    """Embed n patches of (h, w, 3) uint8, resized to the encoder's side by averaging areas: (n, d) float32."""
    parts = []
    for start in range(0, len(patches), _AT_ONCE):
        images = torch.from_numpy(np.array(patches[start : start + _AT_ONCE])).to(device)
        if images.shape[1] != side:
            resized = functional.interpolate(images.movedim(-1, 1).float(), size=(side, side), mode="area")
            images = resized.movedim(1, -1)
        parts.append(module(images).float().cpu().numpy())
    return np.concatenate(parts)
