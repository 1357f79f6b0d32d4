"""The windows in which two maps are compared, cut off where there is no tissue."""

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.spatial import cKDTree

from histobench import Float

__all__ = ["pitch", "window_weights"]

_SIGMA, _TRUNCATE = 1.5, 3.5


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
