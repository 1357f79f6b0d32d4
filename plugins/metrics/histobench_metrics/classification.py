"""Scores of class predictions, one class at a time, so that a label is scored like any other target.

A label arrives one-hot, one column a class, and a prediction as one number per class, of which the largest decides
(the first, where several are largest). Spots whose label is all zeros are not labelled and do not count.
"""

import numpy as np
import numpy.typing as npt

from histobench import Float
from histobench_metrics.tables import paired

__all__ = ["f1", "recall"]


def recall(predicted: Float, observed: Float, /) -> Float:
    """Take the share of each class's spots that were given that class; the mean over classes is balanced accuracy.

    Balanced accuracy ranks methods on labels: always answering the most frequent class reaches only one over the
    number of classes, however frequent it is.

    Parameters
    ----------
    predicted : (n, t) float32
        One number per class; the largest decides.
    observed : (n, t) float32
        One-hot.

    Returns
    -------
    (t,) float64 in [0, 1]
        NaN for a class of which there is no spot.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.

    References
    ----------
    Brodersen et al. (2010), *ICPR*, 3121–3124, for balanced accuracy.
    """
    hits, _, truths = _counts(predicted, observed)
    return _ratio(hits, truths)


def f1(predicted: Float, observed: Float, /) -> Float:
    """Take the harmonic mean of each class's precision and recall; the mean over classes is the macro F1.

    Parameters
    ----------
    predicted : (n, t) float32
        One number per class; the largest decides.
    observed : (n, t) float32
        One-hot.

    Returns
    -------
    (t,) float64 in [0, 1]
        NaN for a class that is neither there nor predicted; 0 for one that is predicted where there is none.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    hits, answers, truths = _counts(predicted, observed)
    return _ratio(2 * hits, answers + truths)


def _counts(predicted: Float, observed: Float) -> tuple[npt.NDArray[np.int64], ...]:
    """Count, for each class, the spots rightly given it, those given it, and those of it."""
    left, right = paired(predicted, observed)
    labelled = (right != 0).any(axis=0)
    classes = len(left)
    if not labelled.any():
        nothing = np.zeros(classes, dtype=np.int64)
        return nothing, nothing, nothing
    answer, truth = left[:, labelled].argmax(axis=0), right[:, labelled].argmax(axis=0)
    counted = (answer[answer == truth], answer, truth)
    return tuple(np.bincount(part, minlength=classes) for part in counted)


def _ratio(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
