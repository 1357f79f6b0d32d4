"""The options of hist2RNA and where their defaults come from; free of torch, so that listing stays light."""

from dataclasses import dataclass
from typing import Literal

from histobench_heads.frames.checks import at_least, positive

__all__ = ["Hist2RnaOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hist2RnaOptions:
    """Options of the bulk head: the published two-step form, on a frozen encoder.

    Attributes
    ----------
    batch
        Bags per step.
    weight_decay
        L2 added to the gradient.
    patience
        Epochs without a lower validation error after which training stops.
    bag_spots
        Most spots of a bag; a bag is a contiguous part of one slide.
    predict
        ``spot``: every spot from its own embedding. ``bag``: all spots of a bag from its mean.
    standardise
        Give each dimension of the embedding mean 0 and deviation 1 over the training spots.
    start_at_mean
        Start with the training mean of every target as the bias of the output.
    """

    epochs: int = 500  # spec hist2scrna.md, section 13, two-step
    batch: int = 12  # the same
    lr: float = 1e-4  # the same; Adam
    weight_decay: float = 0.01  # the same
    patience: int = 20  # the same
    bag_spots: int = 1000  # the same: at most 1,000 patches of a patient
    predict: Literal["spot", "bag"] = "spot"  # ours: published predictions are of patients
    standardise: bool = False  # published: features as they are
    start_at_mean: bool = False  # published: torch's own initialisation

    def __post_init__(self) -> None:
        """Refuse numbers that no training can use."""
        at_least(self, 1, "epochs", "batch", "patience", "bag_spots")
        positive(self, "lr")
