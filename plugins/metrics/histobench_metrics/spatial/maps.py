"""What each target's predicted map looks like beside its observed one: how patchy, and how alike in structure."""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from histobench import Float, ScoreContext
from histobench.data.spatial import gaussian_weights
from histobench_metrics.spatial.windows import window_weights
from histobench_metrics.tables import Rows, is_constant, paired

__all__ = ["LENGTH_UM", "moran_difference", "structural_similarity"]

LENGTH_UM = 150.0
"""Length of the Gaussian by which spots weigh for each other: nothing beyond 269 µm.

That reaches the four neighbours on the legacy lattice (200 µm apart) and two rings on Visium's (100 µm). The published
500 pixels are another length on every scanner.
"""

_FEWEST = 4
_K1, _K2 = 0.01, 0.03


def moran_difference(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Take the absolute difference of Moran's I, the autocorrelation in space, of prediction and observation.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        The spots of one slide.
    context
        With their places.

    Returns
    -------
    (t,) float64, at least 0
        A smooth prediction of a ragged map scores badly, and so does a ragged one of a smooth map; where the patches
        lie it does not tell. NaN where either side is constant, or no two spots lie within 269 µm.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.

    References
    ----------
    Moran (1950), *Biometrika* 37:17–23; weights exp(-d² / 2 l²), l = 150 µm, none below 0.2 and none for a spot itself.
    """
    left, right = paired(predicted, observed)
    undefined = _undefined(predicted, observed)
    if left.shape[1] < _FEWEST:
        return np.full(len(left), np.nan)
    weights = gaussian_weights(context.xy_um, length=LENGTH_UM, itself=0.0)
    if not weights.nnz:
        return np.full(len(left), np.nan)
    one, other = (_autocorrelation(np.where(undefined[:, None], 0.0, side), weights) for side in (left, right))
    return np.where(undefined, np.nan, np.abs(one - other))


def structural_similarity(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Compare the two maps of each target window by window: their levels, their contrasts and their structures.

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

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.

    References
    ----------
    Wang et al. (2004), *IEEE Trans. Image Process.* 13:600–612: Gaussian windows of 1.5 spots, 11 by 11, population
    moments, K1 = 0.01, K2 = 0.03. Spots are the pixels: the window is cut off where there is no tissue instead of
    filling it in. The range L is that of the observation on the slide.
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


def _undefined(predicted: Float, observed: Float) -> npt.NDArray[np.bool_]:
    undefined: npt.NDArray[np.bool_] = is_constant(np.asarray(predicted)) | is_constant(np.asarray(observed))
    return undefined


def _autocorrelation(values: Rows, weights: sparse.csr_matrix) -> Rows:
    largest = np.abs(values).max(axis=1, keepdims=True)
    scaled = values / np.where(largest > 0, largest, 1.0)
    centred = scaled - scaled.mean(axis=1, keepdims=True)
    total = (centred**2).sum(axis=1)
    products: Rows = ((centred @ weights) * centred).sum(axis=1) / weights.sum() * values.shape[1]
    return products / np.where(total > 0, total, 1.0)
