"""Structural similarity of the predicted and the observed map of each target."""

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.spatial import cKDTree

from histobench import Float, ScoreContext
from histobench_metrics.tables import is_constant, paired

__all__ = ["pitch", "structural_similarity", "window_weights"]

_FEWEST = 4
_K1, _K2 = 0.01, 0.03
_SIGMA, _TRUNCATE = 1.5, 3.5


def structural_similarity(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Compare the two maps of each target window by window: their levels, contrasts and structures.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        The spots of one slide, same unit.
    context
        With their places.

    Returns
    -------
    (t,) float64 in [-1, 1]
        NaN where the observation is constant, and with fewer than four spots.

    References
    ----------
    Wang et al. (2004), *IEEE Trans. Image Process.* 13:600–612: Gaussian windows of 1.5 spots, 11 by 11, population
    moments, K1 = 0.01, K2 = 0.03. Spots are the pixels: the window is cut off where there is no tissue instead of
    being filled in. The range L is that of the observation on the slide.
    """
    left, right = paired(predicted, observed)
    undefined = is_constant(np.asarray(observed)) | ~np.isfinite(left).all(axis=1)
    if left.shape[1] < _FEWEST or undefined.all():
        return np.full(len(left), np.nan)
    scale = np.where(undefined, 1.0, np.ptp(np.where(undefined[:, None], 0.0, right), axis=1))[:, None]
    scale = np.where(scale > 0, scale, 1.0)
    x, y = (np.where(undefined[:, None], 0.0, side / scale) for side in (left, right))
    x = np.clip(x, -1e100, 1e100)  # squares must stay in range; such an error scores 0 either way
    blur = window_weights(context.xy_um).T  # a row a target
    mean_x, mean_y = x @ blur, y @ blur
    spread = (x * x) @ blur + (y * y) @ blur - mean_x**2 - mean_y**2
    shared = (x * y) @ blur - mean_x * mean_y
    levels = (2 * mean_x * mean_y + _K1**2) / (mean_x**2 + mean_y**2 + _K1**2)
    structures = (2 * shared + _K2**2) / (np.maximum(spread, 0.0) + _K2**2)
    return np.where(undefined, np.nan, np.clip((levels * structures).mean(axis=1), -1.0, 1.0))


def window_weights(xy: Float, /) -> sparse.csr_matrix:
    """Weigh the spots of a square window of 11 by 11 around each spot by a Gaussian of 1.5 spots, to sum 1.

    Parameters
    ----------
    xy
        (n, 2), at least two spots.

    Returns
    -------
    sparse (n, n)
        On a square lattice, the window of Wang et al. (2004), cut off at the border of the tissue.
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
    """Return the distance from spot to spot: the median over (n, 2) places of the distance to the nearest."""
    distances: npt.NDArray[np.float64] = cKDTree(xy).query(xy, k=2)[0][:, 1]
    return float(np.median(distances)) or 1.0
