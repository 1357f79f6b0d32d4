"""Built-in metrics: pure functions from (n, t) prediction and observation to one score per target."""

from collections.abc import Iterable

from histobench import MetricCard, hookimpl
from histobench_metrics.catalogue import CARDS

__all__ = ["register_metrics"]


@hookimpl
def register_metrics() -> Iterable[MetricCard]:
    """Return the built-in metrics."""
    return CARDS
