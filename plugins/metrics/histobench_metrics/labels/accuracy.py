"""Accuracy over all labelled spots."""

from histobench import Float
from histobench_metrics.labels.confusion import counts_by_class
from histobench_metrics.tables import ratio

__all__ = ["accuracy"]


def accuracy(predicted: Float, observed: Float, /) -> Float:
    """Return the share of labelled spots that are given their class: (1,) float64 in [0, 1] of (n, t) tables.

    NaN without labelled spots. Always answering the most frequent class reaches its share: see `recall`.
    """
    hits, _, truths = counts_by_class(predicted, observed)
    return ratio(hits.sum(keepdims=True), truths.sum(keepdims=True))
