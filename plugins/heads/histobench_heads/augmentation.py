"""Patches seen otherwise; `histobench.training` holds the functions, because encoders need them too."""

from histobench.training import (
    SYMMETRIES,
    ColourJitter,
    Symmetry,
    jitter_colours,
    mean_over_symmetries,
    mirror_and_turn,
    turn_at_random,
)

__all__ = [
    "SYMMETRIES",
    "ColourJitter",
    "Symmetry",
    "jitter_colours",
    "mean_over_symmetries",
    "mirror_and_turn",
    "turn_at_random",
]
