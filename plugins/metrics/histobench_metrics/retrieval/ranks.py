"""Where each image's own expression stands among all of a gallery, and back.

Deliberate difference from the specification, which breaks ties by the place in the table: equally similar members of
the gallery share the mean of their ranks. The table's order is known, so a method that says the same of every spot
would otherwise score by it.
"""

import numpy as np

from histobench import Float
from histobench_metrics.retrieval.columns import DIRECTIONS, RECALLS
from histobench_metrics.retrieval.directions import unit_rows
from histobench_metrics.tables import BLOCK, Rows, check_shapes

__all__ = ["median_rank", "normalised_rank", "own_ranks", "recall"]

TIE = 1e-6
"""Cosines that differ by less are equal: vectors come as float32, whose rounding is no opinion."""

_DEPTHS = (1, 5, 10)


def normalised_rank(image: Float, expression: Float, /) -> Float:
    """Say how far up its gallery each spot's own partner stands, whatever the gallery's size.

    Parameters
    ----------
    image, expression : (n, d) float32
        Places of every spot's image and expression in one space. The gallery is all n spots.

    Returns
    -------
    (2,) float64 in [0, 1]
        The mean over spots of 1 - (rank - 1) / (n - 1), image to expression and back: 1 where every partner comes
        first, a half by chance. NaN with fewer than two spots, or vectors without a dimension.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    ranks = own_ranks(image, expression)
    n = ranks.shape[1]
    return np.full(2, np.nan) if n < 2 else (1.0 - (ranks - 1.0) / (n - 1.0)).mean(axis=1)


def recall(image: Float, expression: Float, /) -> Float:
    """Take the share of spots whose partner is among the first 1, 5 and 10 of the gallery.

    Parameters
    ----------
    image, expression : (n, d) float32
        Places of every spot's image and expression in one space.

    Returns
    -------
    (10,) float64
        See `RECALLS`: three depths each way, what chance reaches at them, and the gallery's size, without which none
        of them means anything. NaN at a depth that holds the whole gallery.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    ranks = own_ranks(image, expression)
    n = ranks.shape[1]
    if not n:
        return np.full(len(RECALLS), np.nan)
    shares = [[(way <= k).mean() if k < n else np.nan for k in _DEPTHS] for way in ranks]
    chance = [k / n if k < n else np.nan for k in _DEPTHS]
    return np.array([*shares[0], *shares[1], *chance, n], dtype=np.float64)


def median_rank(image: Float, expression: Float, /) -> Float:
    """Take the median rank of every spot's own partner.

    Parameters
    ----------
    image, expression : (n, d) float32
        Places of every spot's image and expression in one space.

    Returns
    -------
    (3,) float64, at least 1
        Image to expression, back, and the gallery's size: chance is half of it. NaN with fewer than two spots, or
        vectors without a dimension.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    ranks = own_ranks(image, expression)
    n = ranks.shape[1]
    if n < 2:
        return np.full(len(DIRECTIONS) + 1, np.nan)
    return np.array([*np.median(ranks, axis=1), n], dtype=np.float64)


def own_ranks(image: Float, expression: Float, /) -> Rows:
    """Rank every spot's own partner, from 1, by cosine among all n; ties within 1e-6 share the mean of their ranks.

    Parameters
    ----------
    image, expression : (n, d)
        A vector of zeros is equally similar to everything.

    Returns
    -------
    (2, n) float64
        Image to expression, expression to image; (2, 0) of vectors without a dimension.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
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
