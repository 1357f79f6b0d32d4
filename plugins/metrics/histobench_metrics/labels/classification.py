"""Scores of class predictions, one class at a time, so that a label is scored like any other target.

A label arrives one-hot, one column a class, and a prediction as one number per class, of which the largest decides
(the first, where several are largest). Spots whose label is all zeros are not labelled and do not count.
"""

import numpy as np
import numpy.typing as npt

from histobench import Float
from histobench_metrics.presence.presence import area_under_precision_recall, area_under_roc
from histobench_metrics.tables import nan_mean, paired

__all__ = [
    "accuracy", "class_auprc", "class_auroc", "confusion", "confusion_columns", "f1", "f1_weighted", "precision",
    "recall",
]  # fmt: skip


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


def precision(predicted: Float, observed: Float, /) -> Float:
    """Take the share of the spots given a class that are of it: (t,) float64 in [0, 1] of (n, t) tables.

    NaN for a class that is given to no spot.
    """
    hits, answers, _ = _counts(predicted, observed)
    return _ratio(hits, answers)


def accuracy(predicted: Float, observed: Float, /) -> Float:
    """Take the share of labelled spots that are given their class: (1,) float64 in [0, 1] of (n, t) tables.

    NaN without labelled spots. Always answering the most frequent class reaches its share: see `recall`.
    """
    hits, _, truths = _counts(predicted, observed)
    return _ratio(hits.sum(keepdims=True), truths.sum(keepdims=True))


def f1_weighted(predicted: Float, observed: Float, /) -> Float:
    """Average the F1 of the classes, each weighing as many spots as it has: (1,) float64 in [0, 1] of (n, t) tables.

    NaN without labelled spots.
    """
    hits, answers, truths = _counts(predicted, observed)
    scores = np.nan_to_num(_ratio(2 * hits, answers + truths))
    return np.array([(scores * truths).sum() / truths.sum() if truths.sum() else np.nan])


def class_auroc(predicted: Float, observed: Float, /) -> Float:
    """Take the chance that a spot of a class is given more of it than one of another; ties count half.

    Parameters
    ----------
    predicted : (n, t) float32
        Probabilities, or any number per class that grows with it.
    observed : (n, t) float32
        One-hot.

    Returns
    -------
    (t,) float64 in [0, 1]
        Each class against the rest; one half by chance. NaN for a class of which there is no spot, or nothing else.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    left, right = paired(predicted, observed)
    labelled = (right != 0).any(axis=0)
    return area_under_roc(left[:, labelled], right[:, labelled] != 0)


def class_auprc(predicted: Float, observed: Float, /) -> Float:
    """Take the average precision of finding each class's spots: (t,) float64 in [0, 1] of (n, t) tables.

    By chance a class's share of the spots. NaN for a class of which there is no spot, or nothing else.
    """
    left, right = paired(predicted, observed)
    labelled = (right != 0).any(axis=0)
    return area_under_precision_recall(left[:, labelled], right[:, labelled] != 0)


def confusion(predicted: Float, observed: Float, /) -> Float:
    """Tell apart what is taken for what.

    Parameters
    ----------
    predicted : (n, t) float32
        One number per class; the largest decides.
    observed : (n, t) float32
        One-hot.

    Returns
    -------
    (1 + t · t,) float64 in [0, 1]
        The mean of the diagonal over the classes that are there; then the confusion matrix row by row: of each class's
        spots, the share given each class. NaN for a class of which there is no spot.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    answer, truth, classes = _answers(predicted, observed)
    table = np.bincount(truth * classes + answer, minlength=classes * classes).reshape(classes, classes)
    shares = _ratio(table, np.broadcast_to(table.sum(axis=1, keepdims=True), table.shape))
    return np.array([nan_mean(np.diagonal(shares)), *shares.ravel()])


def confusion_columns(names: tuple[str, ...]) -> tuple[str, ...]:
    """Name the columns of `confusion`."""
    return ("right", *(f"{truth} taken for {answer}" for truth in names for answer in names))


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
    answer, truth, classes = _answers(predicted, observed)
    counted = (answer[answer == truth], answer, truth)
    return tuple(np.bincount(part, minlength=classes) for part in counted)


def _answers(predicted: Float, observed: Float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """Give the answer and the truth of every labelled spot, and the number of classes."""
    left, right = paired(predicted, observed)
    labelled = (right != 0).any(axis=0)
    if not labelled.any():
        nothing = np.empty(0, dtype=np.int64)
        return nothing, nothing, len(left)
    return left[:, labelled].argmax(axis=0), right[:, labelled].argmax(axis=0), len(left)


def _ratio(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
