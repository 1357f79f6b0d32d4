"""Scores of each spot over its targets: how like the predicted profile is to the observed one.

Targets differ in their means, so that even one profile predicted everywhere comes near: read these beside the control.
"""

from collections.abc import Callable

import numpy as np

from histobench import Float
from histobench_metrics.tables import BLOCK, Rows, check_shapes, mean_median, paired

__all__ = ["cosine", "over_spots"]


def cosine(predicted: Float, observed: Float, /) -> Float:
    """Take the cosine between the predicted and the observed profile of each spot.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order; the unit does not matter, its zero does.

    Returns
    -------
    (2,) float64 in [-1, 1]
        Mean and median over the spots with a profile on both sides; NaN if there is none.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    return mean_median(over_spots(_cosines, predicted, observed))


def over_spots(score: Callable[[Float, Float], Float], predicted: Float, observed: Float, /) -> Rows:
    """Score every spot over its targets, some spots at a time.

    Parameters
    ----------
    score
        Takes (t, n) prediction and observation, a column a spot, and returns (n,).
    predicted, observed : (n, t)

    Returns
    -------
    (n,) float64
    """
    n, t = check_shapes(predicted, observed)
    step = max(1, BLOCK // max(t, 1))
    parts = [score(predicted[i : i + step].T, observed[i : i + step].T) for i in range(0, n, step)]
    return np.concatenate(parts).astype(np.float64) if parts else np.empty(0)


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
