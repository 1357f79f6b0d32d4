"""Options of the controls; no import here is heavy."""

from dataclasses import dataclass

from histobench_heads.frames.checks import at_least, positive

__all__ = ["NoOptions", "PositionOptions", "ShuffledOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """Options of a control that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShuffledOptions:
    """Options of the control that learns from shuffled targets.

    Attributes
    ----------
    penalty
        Penalty of the ridge regression, per training spot.
    """

    penalty: float = 0.01  # ours: weak, so that it fits its targets

    def __post_init__(self) -> None:
        """Refuse a penalty without a logarithm."""
        positive(self, "penalty")


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionOptions:
    """Options of the position-only control.

    Attributes
    ----------
    neighbours
        Number of training spots that are averaged.
    """

    neighbours: int = 30  # ours: about a tenth of a legacy slide, so that single spots do not shine through

    def __post_init__(self) -> None:
        """Refuse an average over nothing."""
        at_least(self, 1, "neighbours")
