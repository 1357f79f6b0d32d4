"""Where scores and intervals stand on a board's drawings."""

import math
from dataclasses import dataclass

from histobench.statistics import Board, Standing

__all__ = ["Axis", "Span", "axis_of", "span_of"]


@dataclass(frozen=True, slots=True)
class Axis:
    """The scores at both ends of a board's drawings."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Give the place of a score in per cent of the width."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A score and its interval in per cent of the width of the board's axis."""

    dot: float
    low: float | None = None
    high: float | None = None

    @property
    def width(self) -> float:
        """Length of the interval."""
        return 0.0 if self.low is None or self.high is None else round(self.high - self.low, 2)


def axis_of(board: Board) -> Axis:
    """Choose an axis that holds zero and every score and interval of the board."""
    ends = [value for row in board.rows for value in (row.score, row.low, row.high) if math.isfinite(value)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    return Axis(low, high if high > low else low + 1.0)


def span_of(row: Standing, axis: Axis) -> Span | None:
    """Place a row's score and interval; ``None`` where the score is undefined."""
    if not math.isfinite(row.score):
        return None
    ends = (axis.place(row.low), axis.place(row.high)) if math.isfinite(row.low) else (None, None)
    return Span(dot=axis.place(row.score), low=ends[0], high=ends[1])
