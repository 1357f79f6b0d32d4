"""Whether predictive intervals of 90 % cover what they should, and how wide they must be for it.

The intervals are the parameters ``low`` and ``high`` of the context; `predicted` is not read.
"""

import numpy as np

from histobench import Float, ScoreContext
from histobench_metrics.tables import Rows, mean_over_spots, paired

__all__ = ["interval_coverage", "interval_score", "interval_width"]

MISSED = 0.1
"""Share of observations that a 90 % interval may miss."""


def interval_coverage(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Return the share of spots whose observation is in the interval, ends included: (t,) float64 of (n, t) tables.

    It should be 0.9. NaN without spots.
    """
    low, high, seen = _tables(predicted, observed, context)
    return mean_over_spots(((low <= seen) & (seen <= high)).astype(np.float64))


def interval_width(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Return the mean width of the intervals: (t,) float64 in the target's unit, of (n, t) tables; NaN without spots.

    Read it together with the coverage: a narrow interval that covers nothing is not good.
    """
    low, high, _ = _tables(predicted, observed, context)
    return mean_over_spots(high - low)


def interval_score(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Return the mean width of the intervals plus twenty times the distance of what they miss: a proper score of both.

    Returns
    -------
    (t,) float64, at least 0, in the target's unit
        Of (n, t) tables; NaN without spots.

    References
    ----------
    Gneiting & Raftery (2007), *J. Am. Stat. Assoc.* 102:359–378, equation 43, with α = 0.1.
    """
    low, high, seen = _tables(predicted, observed, context)
    missed = np.maximum(low - seen, 0.0) + np.maximum(seen - high, 0.0)
    return mean_over_spots(high - low + 2 / MISSED * missed)


def _tables(predicted: Float, observed: Float, context: ScoreContext) -> tuple[Rows, Rows, Rows]:
    low, high = (np.ascontiguousarray(context.parameters[name].T, dtype=np.float64) for name in ("low", "high"))
    return np.minimum(low, high), np.maximum(low, high), paired(predicted, observed)[1]
