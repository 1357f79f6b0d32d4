"""A metric: the median absolute error."""

import numpy as np

from histobench import Float

__all__ = ["median_error"]


def median_error(predicted: Float, observed: Float, /) -> Float:
    """Take the median over spots of the absolute error: (n, t) against (n, t) to (t,) float64, target's unit."""
    errors: Float = np.median(np.abs(predicted.astype(np.float64) - observed), axis=0)
    return errors
