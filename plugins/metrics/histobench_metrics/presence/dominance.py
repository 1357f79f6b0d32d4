"""Which target is the most of a spot: whether the prediction names it first, or among its first three."""

import numpy as np

from histobench import Float
from histobench_metrics.regression.spots import over_spots
from histobench_metrics.tables import nan_mean, paired

__all__ = ["top1", "top3"]


def top1(predicted: Float, observed: Float, /) -> Float:
    """Take the share of spots whose most abundant target is predicted to be the most abundant.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order.

    Returns
    -------
    (1,) float64 in [0, 1]
        Where targets tie, each order of them is as likely. Spots whose targets are all alike do not count. NaN where no
        spot counts, or with a single target.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    return _top(1, predicted, observed)


def top3(predicted: Float, observed: Float, /) -> Float:
    """Take the share of spots whose most abundant target is predicted to be among the three most abundant.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order.

    Returns
    -------
    (1,) float64 in [0, 1]
        As for `top1`; NaN with three targets or fewer, which could not be missed.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    return _top(3, predicted, observed)


def _top(k: int, predicted: Float, observed: Float) -> Float:
    def hits(said: Float, seen: Float) -> Float:
        left, right = paired(said, seen)  # a row a spot
        if left.shape[1] <= k:
            return np.full(len(left), np.nan)
        dominant = right == right.max(axis=1, keepdims=True)
        counts = ~dominant.all(axis=1) & np.isfinite(left).all(axis=1) & np.isfinite(right).all(axis=1)
        first = _chance_among_first(np.where(np.isfinite(left), left, 0.0), k)
        return np.where(counts, (first * dominant).sum(axis=1) / dominant.sum(axis=1), np.nan)

    return np.array([nan_mean(over_spots(hits, predicted, observed))])


def _chance_among_first(values: Float, k: int) -> Float:
    """Give, for each of (n, t) values, its chance to be among the k largest of its row if ties fall at random."""
    border = -np.partition(-values, k - 1, axis=1)[:, k - 1 : k]
    above, level = values > border, values == border
    left_over = k - above.sum(axis=1, keepdims=True)
    return np.where(above, 1.0, np.where(level, left_over / level.sum(axis=1, keepdims=True), 0.0))
