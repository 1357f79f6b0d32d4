"""Augmentation of patches: the eight symmetries of the square, in training and in test, and colour jitter.

All functions map a stack of (n, h, w, 3) patches, uint8 in 0 … 255 or floating point in [0, 1], to one of the same
shape and type. Random numbers come from the given generator, or else from torch's on the CPU, which the training loop
seeds for each epoch.

The order of the eight symmetries and what each does follow ``he2gene.md``, section 5.1; ST-Net's are the same eight.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torchvision.transforms import v2

from histobench.errors import ShapeError

__all__ = [
    "SYMMETRIES",
    "ColourJitter",
    "Symmetry",
    "jitter_colours",
    "mean_over_symmetries",
    "mirror_and_turn",
    "turn_at_random",
]

_ROWS, _COLUMNS = 1, 2


class Symmetry(NamedTuple):
    """One symmetry of the square: first turned, then flipped.

    Attributes
    ----------
    mirrored
        Left and right are swapped.
    upended
        Top and bottom are swapped.
    turns
        Quarter turns, counter-clockwise.
    """

    mirrored: bool
    upended: bool
    turns: int


SYMMETRIES: tuple[Symmetry, ...] = tuple(
    Symmetry(mirrored, upended, turns) for mirrored in (False, True) for upended in (False, True) for turns in (0, 1)
)
"""All eight, the identity first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourJitter:
    """How far colours may vary, as defined by torchvision.

    Attributes
    ----------
    brightness, contrast, saturation
        Each factor is drawn from [1 - x, 1 + x].
    hue
        The shift is drawn from [-x, x], in turns of the colour wheel.
    share
        Share of patches that are changed.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    share: float = 1.0


def mirror_and_turn(patches: Tensor, symmetry: Symmetry, /) -> Tensor:
    """Apply one symmetry to all of (n, s, s, 3) patches."""
    _check_square(patches)
    turned = torch.rot90(patches, symmetry.turns, (_ROWS, _COLUMNS))
    flipped = [axis for axis, flip in ((_ROWS, symmetry.upended), (_COLUMNS, symmetry.mirrored)) if flip]
    return torch.flip(turned, flipped) if flipped else turned


def turn_at_random(
    patches: Tensor,
    /,
    *,
    turns: tuple[float, float, float, float] = (0.5, 0.5, 0.0, 0.0),
    draws: Generator | None = None,
) -> Tensor:
    """Turn each of (n, s, s, 3) patches at random, then flip it left to right and upside down, each with p = 0.5.

    Parameters
    ----------
    turns
        Probabilities of 0, 1, 2 and 3 quarter turns. ST-Net and HE2Gene turn by one quarter or not at all, which
        together with the flips makes all eight symmetries equally likely.
    """
    _check_square(patches)
    n = len(patches)
    quarters = torch.multinomial(torch.tensor(turns), n, replacement=True, generator=draws)
    flips = torch.rand(2, n, generator=draws) < 0.5
    result = patches.clone()
    for quarter in (1, 2, 3):
        _change(result, quarters == quarter, partial(torch.rot90, k=quarter, dims=(_ROWS, _COLUMNS)))
    _change(result, flips[0], partial(torch.flip, dims=(_ROWS,)))
    _change(result, flips[1], partial(torch.flip, dims=(_COLUMNS,)))
    return result


def mean_over_symmetries(predict: Callable[[Tensor], Tensor], patches: Tensor, /) -> Tensor:
    """Average ``predict`` over the eight symmetries of (n, s, s, 3) patches, in the shape that it returns."""
    return torch.stack([predict(mirror_and_turn(patches, symmetry)) for symmetry in SYMMETRIES]).mean(dim=0)


def jitter_colours(patches: Tensor, jitter: ColourJitter, /) -> Tensor:
    """Vary brightness, contrast, saturation and hue of each of (n, h, w, 3) patches, in random order.

    Random numbers come from torch's own generator, because torchvision's jitter supports no other.
    """
    change = v2.ColorJitter(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)
    result = patches.clone()
    for row in torch.nonzero(torch.rand(len(patches)) < jitter.share).flatten().tolist():
        result[row] = change(patches[row].permute(2, 0, 1)).permute(1, 2, 0)
    return result


def _change(patches: Tensor, which: Tensor, change: Callable[[Tensor], Tensor]) -> None:
    rows = torch.nonzero(which).flatten().to(patches.device)
    if len(rows):
        patches[rows] = change(patches[rows])


def _check_square(patches: Tensor) -> None:
    if patches.ndim != 4 or patches.shape[_ROWS] != patches.shape[_COLUMNS]:
        raise ShapeError(f"patches to turn must be (n, side, side, 3), got {tuple(patches.shape)}.")
