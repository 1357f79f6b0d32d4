"""Options that the methods reading whole slides share; no import here is heavy.

Numbers marked *protocol* are from section 6 of the specification of CUCA's comparison (Yan et al. 2025), which trained
all three methods alike but for their epochs.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from histobench import ConfigError, PatchGeometry

__all__ = ["GraphOptions", "Inputs", "SlideOptions", "slide_patch"]

Inputs: TypeAlias = Literal["adapted", "original"]
"""Whose pixels a network is fed: those of CUCA's comparison, or those of the method's authors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideOptions:
    """How a module that reads whole slides is trained, one slide a step.

    Attributes
    ----------
    epochs
        Passes over the training slides.
    lr
        Learning rate of Adam.
    weight_decay
        L2 added to the gradient of every parameter.
    schedule
        See `histobench.training.Recipe`.
    inputs
        ``adapted``: 224 pixels around the spot, resized to the patch, normalised by ImageNet's mean and deviation, as
        CUCA's comparison feeds these methods. ``original``: 112 pixels around the spot, as numbers from 0 to 255,
        as the methods' authors do.
    patch_px
        Side of the patch.
    n_pos
        Rows of each position table; a slide's lattice must fit.
    dropout
        Share of units dropped in training, wherever the method drops any.
    chunk_spots
        Spots whose patches are looked at together where a method can; decides memory, not the result.
    recompute_above
        Slides of more spots are trained with less memory and more time: what lies inside a stage is computed again in
        the backward pass. Decides memory, not the result.
    """

    epochs: int = 100
    lr: float = 1e-5  # protocol; all three authors too
    weight_decay: float = 1e-4  # protocol; all three authors: 0
    schedule: Literal["step", "constant"] = "constant"
    inputs: Inputs = "adapted"
    patch_px: int = 112  # all authors and protocol, section 4
    n_pos: int = 128
    dropout: float = 0.2
    chunk_spots: int = 256  # ours
    recompute_above: int = 1024  # ours: a section of her2st never, a full Visium slide always

    def __post_init__(self) -> None:
        """Refuse numbers that no training can use."""
        for name in ("epochs", "patch_px", "n_pos", "chunk_spots"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not self.lr > 0:
            raise ConfigError(f"lr must be positive, got {self.lr}.")
        if not self.weight_decay >= 0:
            raise ConfigError(f"weight_decay must not be negative, got {self.weight_decay}.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be at least 0 and less than 1, got {self.dropout}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphOptions(SlideOptions):
    """Options of a method whose spots also look at their nearest spots.

    Attributes
    ----------
    neighbours
        Nearest spots that each spot looks at.
    prune
        Which of them are dropped again. ``none``; ``grid``: those more than two lattice steps away; ``std``: those
        farther than the mean plus one deviation of the spot's own distances.
    """

    neighbours: int = 4  # hist2st.md and thitogene.md, Graph construction
    prune: Literal["none", "grid", "std"] = "none"

    def __post_init__(self) -> None:
        """Refuse a graph without edges."""
        SlideOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        if self.neighbours < 1:
            raise ConfigError(f"neighbours must be at least 1, got {self.neighbours}.")


def slide_patch(options: SlideOptions) -> PatchGeometry:
    """Give the patch that these options ask for; the ``patch`` of a method's card."""
    field_px = 224 if options.inputs == "adapted" else 112
    return PatchGeometry(patch_px=options.patch_px, field_px=field_px)
