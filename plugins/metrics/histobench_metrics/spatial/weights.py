"""How much spots weigh for each other by the distance between them."""

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.spatial import cKDTree

from histobench import Float

__all__ = ["gaussian_weights", "pitch", "published_weights", "window_weights"]

CUTOFF = 0.2
"""Weights below this count as zero (abundance protocol, section 9)."""

_NEIGHBOURS = 160
_SIGMA, _TRUNCATE = 1.5, 3.5


def gaussian_weights(xy: Float, /, *, length: float, itself: float) -> sparse.csr_matrix:
    """Weigh spots by exp(-d² / 2 length²), less than 0.2 by nothing: all within 1.79 lengths of each other.

    Parameters
    ----------
    xy
        (n, 2), in the unit of ``length``.
    itself
        Weight of a spot for itself.

    Returns
    -------
    sparse (n, n), symmetric
    """
    n = len(xy)
    near = cKDTree(xy).query_pairs(length * np.sqrt(-2 * np.log(CUTOFF)), output_type="ndarray")
    squares = ((xy[near[:, 0]].astype(np.float64) - xy[near[:, 1]]) ** 2).sum(axis=1)
    weights = np.exp(-squares / (2 * length**2))
    table = sparse.csr_matrix((weights, (near[:, 0], near[:, 1])), shape=(n, n))
    return (table + table.T + itself * sparse.eye(n)).tocsr()


def published_weights(xy: Float, /, *, length: float) -> sparse.csr_matrix:
    """Weigh spots as SpatialDM does for the published analysis of co-localisation.

    Parameters
    ----------
    xy
        (n, 2) full-resolution pixels.
    length
        500 pixels in the publication.

    Returns
    -------
    sparse (n, n)
        The 160 nearest, itself among them with weight 1; others at no distance weigh nothing; less than 0.2 counts as
        nothing; all weights sum to n. Not symmetric where the limit of 160 binds.
    """
    n = len(xy)
    k = min(_NEIGHBOURS, n)
    distances, columns = (part.reshape(n, k) for part in cKDTree(xy).query(xy, k=k))
    weights = np.where(distances > 0, np.exp(-(distances**2) / (2 * length**2)), 0.0)
    weights[weights < CUTOFF] = 0.0
    rows = np.repeat(np.arange(n), k)
    table = sparse.csr_matrix((weights.ravel(), (rows, columns.ravel())), shape=(n, n))
    table = (table - sparse.diags(table.diagonal()) + sparse.eye(n)).tocsr()
    return table * (n / table.sum())


def window_weights(xy: Float, /) -> sparse.csr_matrix:
    """Weigh the spots of a square window of 11 by 11 around each by a Gaussian of 1.5 spots, to sum 1.

    Parameters
    ----------
    xy
        (n, 2), at least two spots.

    Returns
    -------
    sparse (n, n)
        On a square lattice the window of Wang et al. (2004), cut off at the border of the tissue.
    """
    step = pitch(xy)
    reach = int(_TRUNCATE * _SIGMA + 0.5) + 0.5
    near = cKDTree(xy / step).query_pairs(reach, p=np.inf, output_type="ndarray")
    squares = (((xy[near[:, 0]].astype(np.float64) - xy[near[:, 1]]) / step) ** 2).sum(axis=1)
    weights = np.exp(-squares / (2 * _SIGMA**2))
    n = len(xy)
    half = sparse.csr_matrix((weights, (near[:, 0], near[:, 1])), shape=(n, n))
    table = (half + half.T + sparse.eye(n)).tocsr()
    return (sparse.diags(1.0 / np.asarray(table.sum(axis=1)).ravel()) @ table).tocsr()


def pitch(xy: Float, /) -> float:
    """Measure the distance from spot to spot: the median over (n, 2) places of that to the nearest."""
    distances: npt.NDArray[np.float64] = cKDTree(xy).query(xy, k=2)[0][:, 1]
    return float(np.median(distances)) or 1.0
