"""Zero inflation: whether a gene is predicted to be expressed at all where it is.

A spot expresses a gene where its value is above zero. No regression predicts exact zeros, so a prediction counts as
expressed above a threshold between zero and the smallest amount of that gene on the slide: half of that amount, and
never more than 0.5, which for counts is the published threshold (expression protocol, section 9). The published rule
holds both sides against 0.5; `published_zero_inflation` keeps it.
"""

import numpy as np
import numpy.typing as npt

from histobench import Float
from histobench_metrics.tables import BLOCK, Rows, check_shapes, paired

__all__ = [
    "PUBLISHED", "THRESHOLD", "mae_of_nonzeros", "published_zero_inflation", "zero_accuracy", "zero_f1",
    "zero_rate_difference", "zero_sensitivity", "zero_specificity",
]  # fmt: skip

THRESHOLD = 0.5
"""Largest predicted value that counts as no expression (expression protocol, section 9)."""

PUBLISHED = ("detection accuracy", "zero rate difference", "sensitivity", "specificity", "F1 of non-zeros",
             "MAE of non-zeros")  # fmt: skip
"""Columns of hist2scRNA's zero inflation."""

_EPSILON = 1e-10

_Flags = npt.NDArray[np.bool_]


def zero_rate_difference(predicted: Float, observed: Float, /) -> Float:
    """Take the absolute difference between the predicted and the observed share of zeros: (t,) float64 in [0, 1].

    Of (n, t) tables; NaN without spots.
    """
    said, seen = _expressed(predicted, observed)
    return _share(np.abs(said.sum(axis=1) - seen.sum(axis=1)), np.full(len(seen), seen.shape[1]))


def zero_accuracy(predicted: Float, observed: Float, /) -> Float:
    """Take the share of spots rightly told to express a gene or not: (t,) float64 in [0, 1] of (n, t) tables.

    NaN without spots.
    """
    said, seen = _expressed(predicted, observed)
    return _share((said == seen).sum(axis=1), np.full(len(seen), seen.shape[1]))


def zero_sensitivity(predicted: Float, observed: Float, /) -> Float:
    """Take the share of the spots expressing a gene that were told to: (t,) float64 in [0, 1] of (n, t) tables.

    NaN for a gene that is nowhere expressed.
    """
    said, seen = _expressed(predicted, observed)
    return _share((said & seen).sum(axis=1), seen.sum(axis=1))


def zero_specificity(predicted: Float, observed: Float, /) -> Float:
    """Take the share of the spots without a gene that were told to be: (t,) float64 in [0, 1] of (n, t) tables.

    NaN for a gene that is expressed everywhere.
    """
    said, seen = _expressed(predicted, observed)
    return _share((~said & ~seen).sum(axis=1), (~seen).sum(axis=1))


def zero_f1(predicted: Float, observed: Float, /) -> Float:
    """Take the harmonic mean of sensitivity and precision of expression: (t,) float64 in [0, 1] of (n, t) tables.

    NaN for a gene that is neither expressed nor predicted to be.
    """
    said, seen = _expressed(predicted, observed)
    return _share(2 * (said & seen).sum(axis=1), said.sum(axis=1) + seen.sum(axis=1))


def mae_of_nonzeros(predicted: Float, observed: Float, /) -> Float:
    """Take the mean absolute error over the spots that express a gene: (t,) float64, at least 0, of (n, t) tables.

    NaN for a gene that is nowhere expressed.
    """
    left, right = paired(predicted, observed)
    present = right > 0
    error = np.where(present, np.abs(left - right), 0.0).sum(axis=1)
    return _share(error, present.sum(axis=1))


def published_zero_inflation(predicted: Float, observed: Float, /) -> Float:
    """Score zeros as hist2scRNA does, all values of (n, t) tables at once: (6,) float64, see `PUBLISHED`.

    A value is positive above 0.5 on either side; the rate of zeros is observed by ``y == 0`` and predicted by
    ``y < 0.5``; F1 and the error of non-zeros are 0 where they are undefined, as published.
    """
    if not min(check_shapes(predicted, observed)):
        return np.full(len(PUBLISHED), np.nan)
    step = max(1, BLOCK // predicted.shape[1])
    starts = range(0, len(predicted), step)
    counts = sum(_counts(predicted[i : i + step], observed[i : i + step]) for i in starts)
    size, hits, passes, answers, truths, zeros, said_zeros, present, error = np.asarray(counts).tolist()
    return np.array(
        [
            (hits + passes) / size,
            abs(zeros / size - said_zeros / size),
            hits / (truths + _EPSILON),
            passes / (size - truths + _EPSILON),
            2 * hits / (answers + truths) if answers + truths else 0.0,
            error / present if present else 0.0,
        ]
    )


def _counts(predicted: Float, observed: Float) -> Rows:
    """Count what `published_zero_inflation` is made of; the last is the sum of errors over non-zeros."""
    said, seen, present = predicted > THRESHOLD, observed > THRESHOLD, observed > 0
    flags = (said & seen, ~said & ~seen, said, seen, observed == 0, predicted < THRESHOLD, present)
    error = np.abs(predicted[present].astype(np.float64) - observed[present]).sum()
    return np.array([said.size, *(np.count_nonzero(flag) for flag in flags), error], dtype=np.float64)


def _expressed(predicted: Float, observed: Float) -> tuple[_Flags, _Flags]:
    """Tell, a row a gene, where it is predicted to be expressed and where it is."""
    left, right = paired(predicted, observed)
    smallest = np.where(right > 0, right, np.inf).min(axis=1, initial=np.inf, keepdims=True)
    return left > np.minimum(THRESHOLD, smallest / 2), right > 0


def _share(part: npt.NDArray[np.number[npt.NBitBase]] | Rows, whole: npt.NDArray[np.int64]) -> Rows:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
