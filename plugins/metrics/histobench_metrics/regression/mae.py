"""Mean absolute error over the spots of a slide, one target at a time."""

import numpy as np

from histobench import Float
from histobench_metrics.tables import mean_over_spots, paired

__all__ = ["mae"]


def mae(predicted: Float, observed: Float, /) -> Float:
    """Return the mean absolute error over spots: (t,) in the targets' unit, of (n, t) tables; NaN without spots."""
    left, right = paired(predicted, observed)
    return mean_over_spots(np.abs(left - right))
