"""Patches turned, flipped and recoloured: which, how often, and from which randomness."""

from collections import Counter

import pytest
import torch
from torch import Tensor

from histobench import ShapeError
from histobench.training import (
    SYMMETRIES,
    ColourJitter,
    Symmetry,
    jitter_colours,
    mean_over_symmetries,
    mirror_and_turn,
    seeded,
    turn_at_random,
)

SQUARE = torch.arange(4, dtype=torch.uint8).view(1, 2, 2, 1).expand(1, 2, 2, 3).contiguous()  # 0 1 over 2 3


def _seen(patches: Tensor) -> tuple[int, ...]:
    return tuple(patches[..., 0].flatten().tolist())


def _patches(n: int = 6, side: int = 8) -> Tensor:
    return torch.randint(0, 256, (n, side, side, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("symmetry", "seen"),
    [
        (Symmetry(False, False, 0), (0, 1, 2, 3)),
        (Symmetry(False, False, 1), (1, 3, 0, 2)),
        (Symmetry(False, True, 0), (2, 3, 0, 1)),
        (Symmetry(True, False, 0), (1, 0, 3, 2)),
        (Symmetry(True, False, 1), (3, 1, 2, 0)),
    ],
    ids=["identity", "quarter-counter-clockwise", "upended", "mirrored", "turned-then-mirrored"],
)
def test_a_symmetry_moves_the_corners(symmetry: Symmetry, seen: tuple[int, ...]) -> None:
    assert _seen(mirror_and_turn(SQUARE, symmetry)) == seen


def test_the_eight_symmetries_are_all_different_and_start_with_the_identity() -> None:
    seen = [_seen(mirror_and_turn(SQUARE, symmetry)) for symmetry in SYMMETRIES]
    assert len(set(seen)) == 8
    assert seen[0] == _seen(SQUARE)


def test_flips_and_one_quarter_turn_make_every_symmetry_equally_likely() -> None:
    many = SQUARE.repeat(8000, 1, 1, 1)
    counts = Counter(_seen(patch[None]) for patch in turn_at_random(many, draws=torch.Generator().manual_seed(1)))
    assert len(counts) == 8
    assert all(abs(count - 1000) < 120 for count in counts.values())  # four standard deviations


def test_each_patch_is_turned_by_itself_and_keeps_its_pixels() -> None:
    patches = _patches(64)
    with seeded(0):
        turned = turn_at_random(patches)
    assert turned.dtype == torch.uint8
    assert torch.equal(turned.flatten(1).sort(dim=1).values, patches.flatten(1).sort(dim=1).values)
    unmoved = [torch.equal(a, b) for a, b in zip(turned, patches, strict=True)]
    assert 0 < sum(unmoved) < 24


def test_probabilities_of_turns_are_kept() -> None:
    many = SQUARE.repeat(4000, 1, 1, 1)
    turned = turn_at_random(many, turns=(0.0, 0.0, 1.0, 0.0), draws=torch.Generator().manual_seed(1))
    # half a turn and flips leave rows rows and columns columns
    assert set(map(_seen, turned[:, None])) == {(0, 1, 2, 3), (2, 3, 0, 1), (1, 0, 3, 2), (3, 2, 1, 0)}


def test_the_seeded_state_decides_what_is_drawn() -> None:
    patches = _patches()
    runs = []
    for seed in (1, 1, 2):
        with seeded(seed):
            runs.append(jitter_colours(turn_at_random(patches), ColourJitter(brightness=0.3, hue=0.1)))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_the_mean_over_symmetries_is_that_of_eight_predictions() -> None:
    def corner(patches: Tensor) -> Tensor:
        return patches[:, 0, 0, :1].double()

    # each corner comes to the top left twice
    assert mean_over_symmetries(corner, SQUARE).item() == pytest.approx(1.5)


def test_jitter_without_a_range_changes_nothing() -> None:
    assert torch.equal(jitter_colours(_patches(), ColourJitter()), _patches())


def test_jitter_changes_its_share_of_the_patches() -> None:
    patches = _patches(400, side=2)
    with seeded(0):
        changed = jitter_colours(patches, ColourJitter(brightness=0.5, share=0.25))
    moved = sum(not torch.equal(a, b) for a, b in zip(changed, patches, strict=True))
    assert 60 < moved < 140


def test_brightness_scales_every_colour_alike() -> None:
    patches = torch.full((20, 2, 2, 3), 0.4)
    with seeded(0):
        changed = jitter_colours(patches, ColourJitter(brightness=0.5))
    assert 0.2 <= changed.min() < changed.max() <= 0.6
    assert torch.equal(changed.amax(dim=(1, 2, 3)), changed.amin(dim=(1, 2, 3)))


@pytest.mark.parametrize("scale", ["uint8", "float"])
def test_jitter_keeps_the_type_and_its_range(scale: str) -> None:
    patches = _patches() if scale == "uint8" else _patches().float() / 255
    with seeded(0):
        changed = jitter_colours(patches, ColourJitter(brightness=0.9, contrast=0.9, saturation=0.9, hue=0.5))
    assert changed.dtype == patches.dtype
    assert changed.min() >= 0
    assert changed.max() <= (255 if scale == "uint8" else 1)


def test_patches_that_are_not_square_are_not_turned() -> None:
    with pytest.raises(ShapeError, match=r"patches to turn must be \(n, side, side, 3\), got \(1, 2, 3, 3\)"):
        turn_at_random(torch.zeros(1, 2, 3, 3))
