"""Whether a target is there at all: how well the predicted amount parts the spots that have it from those without."""

import numpy as np
import numpy.typing as npt

from histobench import Float
from histobench_metrics.regression.correlation import average_ranks
from histobench_metrics.tables import Rows, paired

__all__ = ["area_under_precision_recall", "area_under_roc", "auprc", "auroc"]


def auroc(predicted: Float, observed: Float, /) -> Float:
    """Take the chance that a spot with a target is predicted more of it than one without; ties count half.

    Parameters
    ----------
    predicted : (n, t) float32
        Only its order matters.
    observed : (n, t) float32
        A target is there where it is above zero.

    Returns
    -------
    (t,) float64 in [0, 1]
        One half by chance. NaN where a target is everywhere or nowhere.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.

    References
    ----------
    Hanley & McNeil (1982), *Radiology* 143:29–36.
    """
    left, right = paired(predicted, observed)
    return area_under_roc(left, right > 0)


def auprc(predicted: Float, observed: Float, /) -> Float:
    """Take the average precision with which the spots that have a target are found, the most predicted first.

    Parameters
    ----------
    predicted : (n, t) float32
        Only its order matters.
    observed : (n, t) float32
        A target is there where it is above zero.

    Returns
    -------
    (t,) float64 in [0, 1]
        The share of spots with the target by chance. NaN where a target is everywhere or nowhere.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.

    References
    ----------
    Davis & Goadrich (2006), *ICML*, 233–240; the step-wise sum without interpolation, as scikit-learn's.
    """
    left, right = paired(predicted, observed)
    return area_under_precision_recall(left, right > 0)


def area_under_roc(scores: Rows, present: npt.NDArray[np.bool_], /) -> Rows:
    """Compare ranks: (t,) float64 of (t, n) scores and presence; NaN where one side is empty or a score is not finite.

    The statistic of Mann and Whitney over its largest value.
    """
    positives, n = present.sum(axis=1), present.shape[1]
    pairs = positives * (n - positives)
    defined = (pairs > 0) & np.isfinite(scores).all(axis=1)
    wins = (average_ranks(scores) * present).sum(axis=1) - positives * (positives + 1) / 2
    return np.where(defined, wins / np.maximum(pairs, 1), np.nan)


def area_under_precision_recall(scores: Rows, present: npt.NDArray[np.bool_], /) -> Rows:
    """Average precisions: (t,) float64 of (t, n) scores and presence; NaN where `area_under_roc` is."""
    n = present.shape[1]
    positives = present.sum(axis=1)
    defined = (positives > 0) & (positives < n) & np.isfinite(scores).all(axis=1)
    order = np.argsort(-scores, axis=1)
    ranked = np.take_along_axis(scores, order, axis=1)
    found = np.take_along_axis(present, order, axis=1)
    place = np.arange(1, n + 1)
    # equal scores are taken together: all of them have the precision at the last
    last = np.concatenate([ranked[:, 1:] != ranked[:, :-1], np.ones((len(ranked), min(n, 1)), dtype=bool)], axis=1)
    ends = np.minimum.accumulate(np.where(last, place, n)[:, ::-1], axis=1)[:, ::-1]
    hits = np.take_along_axis(found.cumsum(axis=1), ends - 1, axis=1) if n else ends
    average = (found * hits / np.maximum(ends, 1)).sum(axis=1) / np.maximum(positives, 1)
    return np.where(defined, average, np.nan)
