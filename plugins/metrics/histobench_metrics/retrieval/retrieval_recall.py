"""Share of spots whose partner is among the first of the gallery."""

import numpy as np

from histobench import Float
from histobench_metrics.retrieval.columns import RECALLS
from histobench_metrics.retrieval.retrieval import own_ranks

__all__ = ["retrieval_recall"]

_DEPTHS = (1, 5, 10)


def retrieval_recall(image: Float, expression: Float, /) -> Float:
    """Return the share of spots whose partner is among the first 1, 5 and 10 of the gallery.

    Parameters
    ----------
    image, expression : (n, d) float32
        Vectors of every spot's image and expression in one space.

    Returns
    -------
    (10,) float64
        See `RECALLS`: three depths each way, what chance reaches at them, and the size of the gallery, which is needed
        to interpret them. NaN at a depth that contains the whole gallery.
    """
    ranks = own_ranks(image, expression)
    n = ranks.shape[1]
    if not n:
        return np.full(len(RECALLS), np.nan)
    shares = [[(way <= k).mean() if k < n else np.nan for k in _DEPTHS] for way in ranks]
    chance = [k / n if k < n else np.nan for k in _DEPTHS]
    return np.array([*shares[0], *shares[1], *chance, n], dtype=np.float64)
