"""Whether the most abundant target of a spot is predicted first, or among the first three."""

import numpy as np

from histobench import Float
from histobench_metrics.tables import nan_mean, over_spots, paired

__all__ = ["top1", "top3"]


def top1(predicted: Float, observed: Float, /) -> Float:
    """Return the share of spots whose most abundant target is predicted to be the most abundant.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order.

    Returns
    -------
    (1,) float64 in [0, 1]
        Where targets tie, each order of them is equally likely. Spots whose targets are all equal do not count. NaN
        where no spot counts, or with a single target.
    """
    return _top(1, predicted, observed)


def top3(predicted: Float, observed: Float, /) -> Float:
    """Return the share of spots whose most abundant target is predicted among the three most abundant: (1,) in [0, 1].

    As `top1`, of (n, t) tables; NaN with three targets or fewer, of which none could be missed.
    """
    return _top(3, predicted, observed)


def _top(k: int, predicted: Float, observed: Float) -> Float:
    def hits(predicted: Float, observed: Float) -> Float:
        left, right = paired(predicted, observed)  # a row a spot
        if left.shape[1] <= k:
            return np.full(len(left), np.nan)
        dominant = right == right.max(axis=1, keepdims=True)
        counts = ~dominant.all(axis=1) & np.isfinite(left).all(axis=1) & np.isfinite(right).all(axis=1)
        first = _chance_among_first(np.where(np.isfinite(left), left, 0.0), k)
        return np.where(counts, (first * dominant).sum(axis=1) / dominant.sum(axis=1), np.nan)

    return np.array([nan_mean(over_spots(hits, predicted, observed))])


def _chance_among_first(values: Float, k: int) -> Float:
    """Return for each of (n, t) values its chance to be among the k largest of its row if ties are broken at random."""
    border = -np.partition(-values, k - 1, axis=1)[:, k - 1 : k]
    above, level = values > border, values == border
    left_over = k - above.sum(axis=1, keepdims=True)
    return np.where(above, 1.0, np.where(level, left_over / level.sum(axis=1, keepdims=True), 0.0))
