"""The efficient capsule encoder: four convolutions, primary capsules, and one pass of self-attention routing."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from histobench_heads.frames.slidewise.memory import recomputed

__all__ = ["CAPSULE_DIM", "CapsuleEncoder", "DigitCapsules", "PrimaryCapsules", "Stage", "last_side", "squash"]

CAPSULE_DIM = 8
"""Width of a primary capsule."""

_KERNELS = (5, 3, 3, 3)
_STRIDES = (1, 1, 1, 2)


def squash(capsules: Tensor, /) -> Tensor:
    """Shorten (..., d) capsules to a length below one: (1 - exp(-|v|)) v / |v|."""
    length = torch.linalg.vector_norm(capsules, dim=-1, keepdim=True)
    # published: 1 - 1 / (exp(|v|) + 1e-20), with a NaN gradient for |v| > 88; equal otherwise
    shortened: Tensor = -torch.expm1(-length) * capsules / (length + 1e-20)
    return shortened


def last_side(side: int, /) -> int:
    """Return the side of the last convolution's map for an input of this side; below 1 the input is too small."""
    for kernel, stride in zip(_KERNELS, _STRIDES, strict=True):
        side = (side - kernel) // stride + 1
    return side


class Stage(nn.Module):
    """Convolve without padding, normalise over all spots and rectify."""

    def __init__(self, channels: int, width: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel, stride=stride)
        self.norm = nn.BatchNorm2d(width)
        nn.init.kaiming_normal_(self.conv.weight)

    def forward(self, maps: Tensor) -> Tensor:
        """Turn (n, channels, s, s) into (n, width, s', s')."""
        return functional.relu(self.norm(self.conv(maps)), inplace=True)


class PrimaryCapsules(nn.Module):
    """Reduce each channel to one number by a filter as large as the map; eight consecutive channels are a capsule."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.depthwise_conv = nn.Conv2d(channels, channels, side, groups=channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Turn (n, c, s, s) maps into (n, c / 8, 8) capsules."""
        return squash(self.depthwise_conv(maps).view(len(maps), -1, CAPSULE_DIM))


class DigitCapsules(nn.Module):
    """Let primary capsules vote for output capsules, and weight each vote by its agreement with all others.

    The weights are normalised over the *output* capsules and the bias is added afterwards, as published: they are not
    probabilities.

    References
    ----------
    Mazzia, Salvetti & Chiaberge (2021), Efficient-CapsNet, *Sci. Rep.* 11:14634.
    """

    def __init__(self, primary: int, capsules: int, dim: int) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.empty(capsules, primary, CAPSULE_DIM, dim))
        self.b = nn.Parameter(torch.zeros(capsules, primary, 1))
        nn.init.kaiming_normal_(self.W)

    def forward(self, primary: Tensor) -> Tensor:
        """Turn (n, j, 8) capsules into (n, k, d)."""
        votes = torch.einsum("nji,kjid->nkjd", primary, self.W)
        agreement = torch.einsum("nkjd,nkd->nkj", votes, votes.sum(dim=2)) / votes.shape[-1] ** 0.5
        weights = agreement.softmax(dim=1) + self.b[:, :, 0]
        return squash(torch.einsum("nkj,nkjd->nkd", weights, votes))


class CapsuleEncoder(nn.Module):
    """Map (n, w/2, s, s) maps to (n, k, d) capsules.

    Parameters
    ----------
    width
        Channels w of the first convolution; the others have 2w, 2w and 4w.
    side
        Side s of the maps.
    capsules, dim
        Number k of output capsules and their width d.
    """

    def __init__(self, width: int, side: int, *, capsules: int, dim: int) -> None:
        super().__init__()
        widths = (width // 2, width, 2 * width, 2 * width, 4 * width)
        self.stages = nn.ModuleList(
            Stage(*before_and_after, kernel=kernel, stride=stride)
            for before_and_after, kernel, stride in zip(itertools.pairwise(widths), _KERNELS, _STRIDES, strict=True)
        )
        self.primary = PrimaryCapsules(4 * width, last_side(side))
        self.digits = DigitCapsules(4 * width // CAPSULE_DIM, capsules, dim)

    def forward(self, maps: Tensor, *, recompute: bool = False) -> Tensor:
        """Turn (n, w/2, s, s) maps into (n, k, d) capsules; batch statistics are taken over all n.

        With ``recompute`` only the input of every part is kept, and the part is run again for the gradient.
        """
        for part in (*self.stages, self.primary, self.digits):
            maps = recomputed(part, maps) if recompute else part(maps)
        return maps
