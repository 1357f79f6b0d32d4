"""Built-in metrics: pure functions from (n, t) prediction and observation to one score per target or column.

Every metric raises `ShapeError` unless both tables have one shape (n, t), with the same spots in the same order. A
metric whose card has ``needs`` raises `DataError` if its `ScoreContext` lacks them. An undefined score is NaN.
"""

from collections.abc import Iterable

from histobench import MetricCard, hookimpl
from histobench_metrics.catalogue import CARDS

__all__ = ["register_metrics"]


@hookimpl
def register_metrics() -> Iterable[MetricCard]:
    """Return the built-in metrics."""
    return CARDS
