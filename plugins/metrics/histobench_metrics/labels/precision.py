"""Precision of each class."""

from histobench import Float
from histobench_metrics.labels.confusion import counts_by_class
from histobench_metrics.tables import ratio

__all__ = ["precision"]


def precision(predicted: Float, observed: Float, /) -> Float:
    """Return the share of the spots given a class that are of it: (t,) float64 in [0, 1] of (n, t) tables.

    NaN for a class that is given to no spot.
    """
    hits, answers, _ = counts_by_class(predicted, observed)
    return ratio(hits, answers)
