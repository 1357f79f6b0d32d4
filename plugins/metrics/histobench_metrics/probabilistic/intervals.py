"""Whether predictive intervals of 90 % hold what they promise, and how wide they must be for it."""

import numpy as np

from histobench import Float, ScoreContext
from histobench_metrics.tables import Rows, paired

__all__ = ["interval_coverage", "interval_score", "interval_width"]

MISSED = 0.1
"""Share of observations that a 90 % interval may miss."""


def interval_coverage(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Take the share of spots whose observation lies in the predicted interval, ends included; it should be 0.9.

    Parameters
    ----------
    predicted
        (n, t), not looked at: the intervals are in the context.
    observed : (n, t) float32
    context
        With the parameters ``low`` and ``high``.

    Returns
    -------
    (t,) float64 in [0, 1]
        NaN without spots.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    low, high, seen = _tables(predicted, observed, context)
    return _mean(((low <= seen) & (seen <= high)).astype(np.float64))


def interval_width(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Take the mean width of the predicted intervals: (t,) float64 in the target's unit, of (n, t) tables.

    NaN without spots. Read it beside the coverage: a narrow interval that holds nothing is no good one.
    """
    low, high, _ = _tables(predicted, observed, context)
    return _mean(high - low)


def interval_score(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Take the mean width of the intervals and twenty times the distance of what they miss: the proper score of both.

    Parameters
    ----------
    predicted
        (n, t), not looked at.
    observed : (n, t) float32
    context
        With the parameters ``low`` and ``high``.

    Returns
    -------
    (t,) float64, at least 0, in the target's unit
        NaN without spots.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.

    References
    ----------
    Gneiting & Raftery (2007), *J. Am. Stat. Assoc.* 102:359–378, equation 43, with α = 0.1.
    """
    low, high, seen = _tables(predicted, observed, context)
    missed = np.maximum(low - seen, 0.0) + np.maximum(seen - high, 0.0)
    return _mean(high - low + 2 / MISSED * missed)


def _tables(predicted: Float, observed: Float, context: ScoreContext) -> tuple[Rows, Rows, Rows]:
    ends = (np.ascontiguousarray(context.parameters[name].T, dtype=np.float64) for name in ("low", "high"))
    low, high = ends
    return np.minimum(low, high), np.maximum(low, high), paired(predicted, observed)[1]


def _mean(values: Rows) -> Rows:
    mean: Rows = values.mean(axis=1) if values.shape[1] else np.full(len(values), np.nan)
    return mean
