"""Built-in metrics: pure functions from (n, t) prediction and observation to one score per target or column.

Every metric raises `ShapeError` unless both tables have one shape (n, t), with the same spots in the same order. A
metric whose card has ``needs`` raises `DataError` if its `ScoreContext` lacks them. An undefined score is NaN.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from histobench import hookimpl, lazy_value

if TYPE_CHECKING:
    from histobench import MetricCard

__all__ = ["register_metrics"]


@hookimpl
def register_metrics() -> "Iterable[MetricCard]":
    """Return the built-in metrics."""
    cards: Iterable[MetricCard] = lazy_value("histobench_metrics.catalogue:CARDS")()
    return cards
