"""Options that the whole-slide methods share; no import here is heavy.

Numbers marked *protocol* are from section 6 of the specification of CUCA's comparison (Yan et al. 2025), which trained
all three methods with the same settings except for the number of epochs.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from histobench import PatchGeometry
from histobench_heads.frames.checks import at_least, not_negative, positive, shares

__all__ = ["GraphOptions", "Inputs", "SlideOptions", "slide_patch"]

Inputs: TypeAlias = Literal["adapted", "original"]
"""Which pixels a network is fed: those of CUCA's comparison, or those of the method's authors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideOptions:
    """How a module that reads whole slides is trained, one slide per step.

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
        Rows of each position table; the lattice of every slide must fit.
    dropout
        Share of units dropped in training, wherever the method has dropout.
    chunk_spots
        Spots whose patches are processed together where a method can; changes memory, not the result.
    recompute_above
        Slides of more spots are trained with less memory and more time: the inside of each stage is computed again in
        the backward pass. Changes memory, not the result.
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
    recompute_above: int = 1024  # ours: never for a section of her2st, always for a full Visium slide

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        at_least(self, 1, "epochs", "patch_px", "n_pos", "chunk_spots")
        positive(self, "lr")
        not_negative(self, "weight_decay")
        shares(self, "dropout")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphOptions(SlideOptions):
    """Options of a method in which each spot also sees its nearest spots.

    Attributes
    ----------
    neighbours
        Nearest spots that each spot sees.
    prune
        Which of them are dropped. ``none``; ``grid``: those more than two lattice steps away; ``std``: those farther
        away than the mean of the spot's distances plus one standard deviation.
    """

    neighbours: int = 4  # hist2st.md and thitogene.md, Graph construction
    prune: Literal["none", "grid", "std"] = "none"

    def __post_init__(self) -> None:
        """Refuse a graph without edges."""
        SlideOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        at_least(self, 1, "neighbours")


def slide_patch(options: SlideOptions) -> PatchGeometry:
    """Return the patch geometry that these options ask for; the ``patch`` of a method's card."""
    field_px = 224 if options.inputs == "adapted" else 112
    return PatchGeometry(patch_px=options.patch_px, field_px=field_px)
