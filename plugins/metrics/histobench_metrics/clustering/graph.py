"""The graph that is clustered: every spot is linked to its nearest in the latent, with weights by distance.

The weights are those of UMAP, solved to float64. scanpy's are solved to 1e-5 in float32 and differ from these by up to
0.06, which changes clusters and so every stored score; hence this module.
"""

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from histobench import Float
from histobench_metrics.tables import Rows

__all__ = ["NEIGHBOURS", "link_nearest"]

NEIGHBOURS = 8
"""Nearest spots, not counting itself (expression protocol, section 10.2)."""

_HALVINGS = 64
_LEAST_WIDTH = 1e-3


def link_nearest(latent: Float, /) -> sparse.coo_matrix:
    """Link each of n spots to its eight nearest, with weights as in UMAP.

    Parameters
    ----------
    latent
        (n, d), at least two spots.

    Returns
    -------
    sparse (n, n)
        The upper half of a symmetric table of weights in (0, 1].

    References
    ----------
    McInnes, Healy & Melville (2018), arXiv:1802.03426, section 3.1: exp(-max(0, d - ρ) / σ), ρ the distance to the
    nearest, σ such that a spot's weights sum to log2 k; the two directions joined by a + b - ab.
    """
    values = np.asarray(latent, dtype=np.float64)
    n = len(values)
    k = min(NEIGHBOURS, n - 1)
    distances, nearest = _nearest(values, k=k)
    excess = np.maximum(distances - distances[:, :1], 0.0)
    weights = np.exp(-excess / _widths(excess, distances)[:, None])
    rows = np.repeat(np.arange(n), k)
    one_way = sparse.csr_matrix((weights.ravel(), (rows, nearest.ravel())), shape=(n, n))
    both = one_way + one_way.T - one_way.multiply(one_way.T)
    return sparse.triu(both, k=1, format="coo")


def _nearest(values: Rows, *, k: int) -> tuple[Rows, Rows]:
    """Return distance and number of the k nearest others, (n, k) each, nearest first."""
    distances, numbers = NearestNeighbors(n_neighbors=k + 1).fit(values).kneighbors(values)
    itself = numbers == np.arange(len(values))[:, None]
    itself[~itself.any(axis=1), -1] = True  # others at the same place come first: keep as many
    shape = (len(values), k)
    return distances[~itself].reshape(shape), numbers[~itself].reshape(shape)


def _widths(excess: Rows, distances: Rows) -> Rows:
    """Find by bisection the widths at which each spot's weights sum to log2 k."""
    wanted = np.log2(max(excess.shape[1], 2))
    low = np.zeros(len(excess))
    high = np.maximum(excess.max(axis=1), np.finfo(np.float64).tiny) * 1e3
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            total = np.exp(-np.nan_to_num(excess / middle[:, None])).sum(axis=1)
        low, high = np.where(total > wanted, low, middle), np.where(total > wanted, middle, high)
    least = _LEAST_WIDTH * np.maximum(distances.mean(axis=1), np.finfo(np.float64).tiny)
    widths: Rows = np.maximum((low + high) / 2, least)
    return widths
