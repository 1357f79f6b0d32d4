"""Options of the controls; no import here is heavy."""

from dataclasses import dataclass

from histobench import ConfigError

__all__ = ["MeanOptions", "NearestOptions", "OracleOptions", "PositionOptions", "ShuffledOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanOptions:
    """The mean has no options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestOptions:
    """The nearest training patch has no options."""


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
        if not self.penalty > 0:
            raise ConfigError(f"penalty must be positive, got {self.penalty}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleOptions:
    """The oracle has no options."""


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
        if self.neighbours < 1:
            raise ConfigError(f"neighbours must be at least 1, got {self.neighbours}.")
