"""Cosine of paired vectors, compared with that of all other pairs."""

import numpy as np

from histobench import Float
from histobench_metrics.retrieval.columns import COSINES
from histobench_metrics.tables import Rows, check_shapes, largest_of

__all__ = ["paired_cosine", "unit_rows"]


def paired_cosine(image: Float, expression: Float, /) -> Float:
    """Compare the cosine of every spot's own image and expression with that of different spots'.

    Parameters
    ----------
    image, expression : (n, d) float32
        Vectors of every spot's image and expression in one space.

    Returns
    -------
    (4,) float64
        See `COSINES`: the mean over the n pairs, over the n (n - 1) pairs of different spots, their difference, and the
        modality gap, the distance between the mean unit vectors of the two sides. NaN without spots or dimensions;
        with one spot there are no other pairs.

    References
    ----------
    Liang et al. (2022), *NeurIPS* 35 (modality gap).
    """
    n, d = check_shapes(image, expression)
    if not n or not d:
        return np.full(len(COSINES), np.nan)
    left, right = unit_rows(image), unit_rows(expression)
    own = (left * right).sum()
    # all pairs at once: the sum of products is the product of sums
    others = (left.sum(axis=0) @ right.sum(axis=0) - own) / (n * (n - 1)) if n > 1 else np.nan
    gap = np.sqrt(((left.mean(axis=0) - right.mean(axis=0)) ** 2).sum())
    return np.array([np.clip(own / n, -1.0, 1.0), others, own / n - others, gap])


def unit_rows(values: Float, /) -> Rows:
    """Scale the rows of (n, d) vectors to length 1; zeros stay zeros."""
    table = np.asarray(values, dtype=np.float64)
    table = table / largest_of(table)  # squares of large values overflow
    length = np.sqrt((table**2).sum(axis=1, keepdims=True))
    unit: Rows = table / np.where(length > 0, length, 1.0)
    return unit
