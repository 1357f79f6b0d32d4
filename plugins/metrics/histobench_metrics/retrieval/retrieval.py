"""Normalised rank of each spot's partner in the gallery, both ways; and the ranks that all scores of retrieval use.

Deliberate difference from the specification, which breaks ties by the order of the table: equally similar members of
the gallery share the mean of their ranks. The table's order is known, so a method that returns one vector for every
spot would otherwise profit from it.
"""

import numpy as np

from histobench import Float
from histobench_metrics.retrieval.paired_cosine import unit_rows
from histobench_metrics.tables import BLOCK, Rows, check_shapes

__all__ = ["normalised_rank", "own_ranks"]

TIE = 1e-6
"""Cosines that differ by less are equal, because the vectors arrive rounded to float32."""


def normalised_rank(image: Float, expression: Float, /) -> Float:
    """Return how high each spot's own partner ranks in its gallery, on a scale that does not depend on its size.

    Parameters
    ----------
    image, expression : (n, d) float32
        Vectors of every spot's image and expression in one space. The gallery is all n spots.

    Returns
    -------
    (2,) float64 in [0, 1]
        The mean over spots of 1 - (rank - 1) / (n - 1), image to expression and back: 1 where every partner ranks
        first, one half by chance. NaN with fewer than two spots, or vectors without a dimension.
    """
    ranks = own_ranks(image, expression)
    n = ranks.shape[1]
    return np.full(2, np.nan) if n < 2 else (1.0 - (ranks - 1.0) / (n - 1.0)).mean(axis=1)


def own_ranks(image: Float, expression: Float, /) -> Rows:
    """Rank every spot's own partner, from 1, by cosine among all n; ties within 1e-6 share the mean of their ranks.

    Parameters
    ----------
    image, expression : (n, d)
        A vector of zeros is equally similar to everything.

    Returns
    -------
    (2, n) float64
        Image to expression, expression to image; (2, 0) for vectors without a dimension.
    """
    n, d = check_shapes(image, expression)
    if not d:
        return np.empty((2, 0))
    left, right = unit_rows(image), unit_rows(expression)
    return np.stack([_ranks(left, right, n=n), _ranks(right, left, n=n)])


def _ranks(queries: Rows, gallery: Rows, *, n: int) -> Rows:
    step = max(1, BLOCK // max(n, 1))
    ranks = np.empty(n)
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        cosines = queries[rows] @ gallery.T
        own = np.take_along_axis(cosines, np.arange(rows.start, rows.stop)[:, None], axis=1)
        better = (cosines > own + TIE).sum(axis=1)
        equal = (np.abs(cosines - own) <= TIE).sum(axis=1)  # itself among them
        ranks[rows] = better + (equal + 1) / 2
    return ranks
