"""Positions of scores and intervals in the drawings of a board."""

import math
from dataclasses import dataclass

from histobench.results.statistics import Board, Standing

__all__ = ["Axis", "Span", "axis_of", "span_of"]


@dataclass(frozen=True, slots=True)
class Axis:
    """The scores at both ends of the axis."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return the position of a score in per cent of the width."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A score and its interval in per cent of the width of the axis; cut at the ends of the axis."""

    dot: float
    low: float | None = None
    high: float | None = None
    cut_low: bool = False
    cut_high: bool = False

    @property
    def width(self) -> float:
        """Length of the interval."""
        return 0.0 if self.low is None or self.high is None else round(self.high - self.low, 2)


def axis_of(board: Board) -> Axis:
    """Choose an axis that contains zero, every score, and as much of the intervals as keeps the scores legible.

    Intervals over few patients may be a hundred times longer than the scores are apart, and exceed the bounds of the
    metric. So the scores take at least a third of the axis, and the axis stays within the bounds.
    """
    scores = [0.0, *(row.score for row in board.rows if math.isfinite(row.score))]
    ends = [value for row in board.rows for value in (row.low, row.high) if math.isfinite(value)]
    low, high = min(scores), max(scores)
    room = (high - low) or 1.0
    low = min(low, max(min([low, *ends]), low - room, board.lowest))
    high = max(high, min(max([high, *ends]), high + room, board.highest))
    return Axis(low, high if high > low else low + 1.0)


def span_of(row: Standing, axis: Axis) -> Span | None:
    """Return the positions of a row's score and interval, or ``None`` if the score is undefined."""
    if not math.isfinite(row.score):
        return None
    dot = axis.place(row.score)
    if not math.isfinite(row.low):
        return Span(dot=dot)
    low, high = max(row.low, axis.low), min(row.high, axis.high)
    return Span(dot=dot, low=axis.place(low), high=axis.place(high), cut_low=low > row.low, cut_high=high < row.high)
