"""Cosine of each spot's predicted and observed profile.

Targets differ in their means, so that predicting one profile everywhere already scores high: compare with the control.
"""

import numpy as np

from histobench import Float
from histobench_metrics.tables import Rows, mean_median, over_spots, paired

__all__ = ["cosine"]


def cosine(predicted: Float, observed: Float, /) -> Float:
    """Return the cosine between the predicted and the observed profile of each spot.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order; the unit does not matter, its zero does.

    Returns
    -------
    (2,) float64 in [-1, 1]
        Mean and median over the spots with a profile on both sides; NaN if there are none.
    """
    return mean_median(over_spots(_cosines, predicted, observed))


def _cosines(predicted: Float, observed: Float) -> Float:
    one, other = (_direction(side) for side in paired(predicted, observed))
    cosines: Rows = np.clip((one * other).sum(axis=1), -1.0, 1.0)
    return cosines if one.shape[1] else np.full(len(one), np.nan)


def _direction(profiles: Rows) -> Rows:
    """Scale each row of (n, t) to length one; NaN where it is zero or not finite."""
    largest = np.abs(profiles).max(axis=1, keepdims=True, initial=0.0)
    sound = np.isfinite(largest) & (largest > 0)
    scaled = np.where(sound, profiles, 1.0) / np.where(sound, largest, 1.0)  # before squaring, which may overflow
    length = np.sqrt((scaled**2).sum(axis=1, keepdims=True))
    return np.where(sound, scaled / np.where(length > 0, length, 1.0), np.nan)
