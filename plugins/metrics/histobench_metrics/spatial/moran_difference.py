"""Difference of the spatial autocorrelation of the predicted and the observed map of each target."""

import numpy as np
from scipy import sparse

from histobench import Float, ScoreContext
from histobench.data.spatial import gaussian_weights
from histobench_metrics.tables import Rows, is_constant, paired

__all__ = ["LENGTH_UM", "moran_difference"]

LENGTH_UM = 150.0
"""Length of the Gaussian that weighs pairs of spots: nothing beyond 269 µm.

It reaches the four neighbours on the legacy lattice (200 µm apart) and two rings on Visium's (100 µm). The published
500 pixels are a different length on every scanner.
"""

_FEWEST = 4


def moran_difference(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Return the absolute difference of Moran's I, the spatial autocorrelation, of prediction and observation.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        The spots of one slide.
    context
        With their places.

    Returns
    -------
    (t,) float64, at least 0
        A smooth prediction of a rough map scores badly, and so does a rough prediction of a smooth map; where the
        structures are does not matter. NaN where either side is constant, or no two spots are within 269 µm.

    References
    ----------
    Moran (1950), *Biometrika* 37:17–23; weights exp(-d² / 2 l²), l = 150 µm, none below 0.2 and none for a spot itself.
    """
    left, right = paired(predicted, observed)
    undefined = is_constant(np.asarray(predicted)) | is_constant(np.asarray(observed))
    if left.shape[1] < _FEWEST:
        return np.full(len(left), np.nan)
    weights = gaussian_weights(context.xy_um, length=LENGTH_UM, itself=0.0)
    if not weights.nnz:
        return np.full(len(left), np.nan)
    one, other = (_autocorrelation(np.where(undefined[:, None], 0.0, side), weights) for side in (left, right))
    return np.where(undefined, np.nan, np.abs(one - other))


def _autocorrelation(values: Rows, weights: sparse.csr_matrix) -> Rows:
    largest = np.abs(values).max(axis=1, keepdims=True)
    scaled = values / np.where(largest > 0, largest, 1.0)
    centred = scaled - scaled.mean(axis=1, keepdims=True)
    total = (centred**2).sum(axis=1)
    products: Rows = ((centred @ weights) * centred).sum(axis=1) / weights.sum() * values.shape[1]
    return products / np.where(total > 0, total, 1.0)
