"""A metric: the median absolute error."""

import numpy as np

from histobench import Float

__all__ = ["median_error"]


def median_error(predicted: Float, observed: Float, /) -> Float:
    """Return the median absolute error over spots: two tables (n, t) to (t,) float64, in the unit of the target."""
    errors: Float = np.median(np.abs(predicted.astype(np.float64) - observed), axis=0)
    return errors
