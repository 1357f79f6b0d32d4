"""Average precision of finding the spots that have a target, by its predicted amount."""

import numpy as np
import numpy.typing as npt

from histobench import Float
from histobench_metrics.tables import Rows, paired

__all__ = ["area_under_precision_recall", "auprc"]


def auprc(predicted: Float, observed: Float, /) -> Float:
    """Return the average precision with which the spots that have a target are found, the highest prediction first.

    Parameters
    ----------
    predicted : (n, t) float32
        Only its order matters.
    observed : (n, t) float32
        A target is present where it is above zero.

    Returns
    -------
    (t,) float64 in [0, 1]
        By chance, the share of spots with the target. NaN where a target is present everywhere or nowhere.

    References
    ----------
    Davis & Goadrich (2006), *ICML*, 233–240; the step-wise sum without interpolation, as in scikit-learn.
    """
    left, right = paired(predicted, observed)
    return area_under_precision_recall(left, right > 0)


def area_under_precision_recall(scores: Rows, present: npt.NDArray[np.bool_], /) -> Rows:
    """Return the average precisions of (t, n) scores and presence: (t,); NaN where `area_under_roc` is NaN."""
    n = present.shape[1]
    positives = present.sum(axis=1)
    defined = (positives > 0) & (positives < n) & np.isfinite(scores).all(axis=1)
    order = np.argsort(-scores, axis=1)
    ranked = np.take_along_axis(scores, order, axis=1)
    found = np.take_along_axis(present, order, axis=1)
    place = np.arange(1, n + 1)
    # equal scores are taken together: all of them get the precision at the last
    last = np.concatenate([ranked[:, 1:] != ranked[:, :-1], np.ones((len(ranked), min(n, 1)), dtype=bool)], axis=1)
    ends = np.minimum.accumulate(np.where(last, place, n)[:, ::-1], axis=1)[:, ::-1]
    hits = np.take_along_axis(found.cumsum(axis=1), ends - 1, axis=1) if n else ends
    average = (found * hits / np.maximum(ends, 1)).sum(axis=1) / np.maximum(positives, 1)
    return np.where(defined, average, np.nan)
