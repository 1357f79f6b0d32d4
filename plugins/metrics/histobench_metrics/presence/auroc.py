"""Area under the ROC curve of finding the spots that have a target, by its predicted amount."""

import numpy as np
import numpy.typing as npt

from histobench import Float
from histobench_metrics.regression.spearman import average_ranks
from histobench_metrics.tables import Rows, paired

__all__ = ["area_under_roc", "auroc"]


def auroc(predicted: Float, observed: Float, /) -> Float:
    """Return the chance that a spot with a target has a higher prediction than one without; ties count half.

    Parameters
    ----------
    predicted : (n, t) float32
        Only its order matters.
    observed : (n, t) float32
        A target is present where it is above zero.

    Returns
    -------
    (t,) float64 in [0, 1]
        One half by chance. NaN where a target is present everywhere or nowhere.

    References
    ----------
    Hanley & McNeil (1982), *Radiology* 143:29–36.
    """
    left, right = paired(predicted, observed)
    return area_under_roc(left, right > 0)


def area_under_roc(scores: Rows, present: npt.NDArray[np.bool_], /) -> Rows:
    """Return the areas of (t, n) scores and presence: (t,); NaN where one side is empty or a score is not finite.

    Computed from ranks: the statistic of Mann and Whitney, divided by its largest value.
    """
    positives, n = present.sum(axis=1), present.shape[1]
    pairs = positives * (n - positives)
    defined = (pairs > 0) & np.isfinite(scores).all(axis=1)
    wins = (average_ranks(scores) * present).sum(axis=1) - positives * (positives + 1) / 2
    return np.where(defined, wins / np.maximum(pairs, 1), np.nan)
