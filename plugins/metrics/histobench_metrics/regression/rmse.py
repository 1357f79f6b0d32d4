"""Root mean squared error over the spots of a slide, one target at a time."""

import numpy as np

from histobench import Float
from histobench_metrics.tables import Rows, paired

__all__ = ["rmse"]


def rmse(predicted: Float, observed: Float, /) -> Float:
    """Return the root of the mean squared error over spots, one target at a time.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order, same unit.

    Returns
    -------
    (t,) float64, in the targets' unit, at least 0
        NaN without spots. The root is taken per target, not over the whole table as the training losses do.
    """
    left, right = paired(predicted, observed)
    if not left.shape[1]:
        return np.full(len(left), np.nan)
    error = np.abs(left - right)
    largest = error.max(axis=1)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)  # squares of large errors overflow
    score: Rows = np.sqrt(((error / scale[:, None]) ** 2).mean(axis=1)) * scale
    return score
