"""Median rank of each spot's partner in the gallery."""

import numpy as np

from histobench import Float
from histobench_metrics.retrieval.retrieval import own_ranks

__all__ = ["median_rank"]


def median_rank(image: Float, expression: Float, /) -> Float:
    """Return the median rank of every spot's own partner.

    Parameters
    ----------
    image, expression : (n, d) float32
        Vectors of every spot's image and expression in one space.

    Returns
    -------
    (3,) float64, at least 1
        Image to expression, back, and the size of the gallery: chance is half of it. NaN with fewer than two spots, or
        vectors without a dimension.
    """
    ranks = own_ranks(image, expression)
    n = ranks.shape[1]
    return np.full(3, np.nan) if n < 2 else np.array([*np.median(ranks, axis=1), n], dtype=np.float64)
