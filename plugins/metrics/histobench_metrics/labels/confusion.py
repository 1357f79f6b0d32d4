"""The confusion matrix of classes, and the counts that the scores of classes are made from."""

import numpy as np
import numpy.typing as npt

from histobench import Float
from histobench_metrics.tables import Rows, nan_mean, paired, ratio

__all__ = ["confusion", "confusion_columns", "counts_by_class", "labelled"]


def confusion(predicted: Float, observed: Float, /) -> Float:
    """Return which classes are predicted for the spots of each class.

    Parameters
    ----------
    predicted : (n, t) float32
        One number per class; the largest decides.
    observed : (n, t) float32
        One-hot.

    Returns
    -------
    (1 + t · t,) float64 in [0, 1]
        The mean of the diagonal over the classes that are present; then the confusion matrix row by row: of the spots
        of each class, the share that is given each class. NaN for a class without spots.
    """
    answer, truth, classes = _answers(predicted, observed)
    table = np.bincount(truth * classes + answer, minlength=classes * classes).reshape(classes, classes)
    shares = ratio(table, np.broadcast_to(table.sum(axis=1, keepdims=True), table.shape))
    return np.array([nan_mean(np.diagonal(shares)), *shares.ravel()])


def confusion_columns(names: tuple[str, ...]) -> tuple[str, ...]:
    """Name the columns of `confusion`."""
    return ("right", *(f"{truth} taken for {answer}" for truth in names for answer in names))


def counts_by_class(predicted: Float, observed: Float) -> tuple[npt.NDArray[np.int64], ...]:
    """Count for each class of (n, t) tables the spots correctly given it, those given it, and those that are of it."""
    answer, truth, classes = _answers(predicted, observed)
    counted = (answer[answer == truth], answer, truth)
    return tuple(np.bincount(part, minlength=classes) for part in counted)


def labelled(predicted: Float, observed: Float) -> tuple[Rows, Rows]:
    """Return prediction and label of the labelled spots, a row a class."""
    left, right = paired(predicted, observed)
    rows = (right != 0).any(axis=0)
    return left[:, rows], right[:, rows]


def _answers(predicted: Float, observed: Float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """Return answer and truth of every labelled spot, and the number of classes."""
    left, right = labelled(predicted, observed)
    if not left.shape[1]:
        nothing = np.empty(0, dtype=np.int64)
        return nothing, nothing, len(left)
    return left.argmax(axis=0), right.argmax(axis=0), len(left)
