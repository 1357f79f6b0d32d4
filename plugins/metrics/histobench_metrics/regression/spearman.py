"""Spearman correlation over the spots of a slide, one target at a time."""

import numpy as np

from histobench import Float
from histobench_metrics.regression.pearson import correlate_rows
from histobench_metrics.tables import Rows, is_constant, paired

__all__ = ["average_ranks", "spearman"]


def spearman(predicted: Float, observed: Float, /) -> Float:
    """Correlate the ranks of prediction and observation over spots; ties share the mean of their ranks.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order; only their order matters.

    Returns
    -------
    (t,) float64 in [-1, 1]
        NaN where either side is constant, up to the rounding of its dtype, or has fewer than two spots.

    References
    ----------
    Spearman (1904), *Am. J. Psychol.* 15:72–101. The published abundance scripts clip predictions at zero first. Here
    they are not clipped, as for Pearson, so that the two metrics differ only in what they measure.
    """
    left, right = paired(predicted, observed)
    undefined = is_constant(np.asarray(predicted)) | is_constant(np.asarray(observed))
    return np.where(undefined, np.nan, correlate_rows(average_ranks(left), average_ranks(right), undefined=undefined))


def average_ranks(values: Rows) -> Rows:
    """Rank the values of each row of (t, n) from 1; equal values share the mean of their ranks.

    Examples
    --------
    >>> import numpy as np
    >>> average_ranks(np.array([[3.0, 1.0, 3.0]])).tolist()
    [[2.5, 1.0, 2.5]]
    """
    n = values.shape[1]
    order = np.argsort(values, axis=1)
    ascending = np.take_along_axis(values, order, axis=1)
    changes = ascending[:, 1:] != ascending[:, :-1]
    edge = np.ones((len(values), min(n, 1)), dtype=np.bool_)
    starts, ends = np.concatenate([edge, changes], axis=1), np.concatenate([changes, edge], axis=1)
    place = np.arange(n)
    first = np.maximum.accumulate(np.where(starts, place, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, place, n)[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty_like(values)
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, axis=1)
    return ranks
