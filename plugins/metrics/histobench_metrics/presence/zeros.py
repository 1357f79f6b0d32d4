"""Zero inflation: whether a gene is predicted to be expressed at all where it is (``zero-…``, ``nonzero-mae``).

A spot expresses a gene where its value is above zero. Regressions predict no exact zeros, so a prediction counts as
expressed above a threshold: half of the smallest positive amount of that gene on the slide, and never more than 0.5,
which for counts is the published threshold (expression protocol, section 9). The published rule compares both sides
with 0.5; `published_zero_inflation` implements it. All functions take (n, t) tables and return (t,) float64 by default.
"""

import numpy as np
import numpy.typing as npt

from histobench import Float
from histobench_metrics.presence.columns import PUBLISHED
from histobench_metrics.tables import BLOCK, Rows, check_shapes, paired, ratio

__all__ = [
    "THRESHOLD", "mae_of_nonzeros", "published_zero_inflation", "zero_accuracy", "zero_f1", "zero_rate_difference",
    "zero_sensitivity", "zero_specificity",
]  # fmt: skip

THRESHOLD = 0.5
"""Largest predicted value that counts as no expression (expression protocol, section 9)."""

_EPSILON = 1e-10

_Flags = npt.NDArray[np.bool_]


def zero_rate_difference(predicted: Float, observed: Float, /) -> Float:
    """Return the absolute difference of predicted and observed share of zeros, (t,) in [0, 1]; NaN without spots."""
    called, present = _expressed(predicted, observed)
    return ratio(np.abs(called.sum(axis=1) - present.sum(axis=1)), np.full(len(present), present.shape[1]))


def zero_accuracy(predicted: Float, observed: Float, /) -> Float:
    """Return the share of spots correctly predicted to express a gene or not, (t,) in [0, 1]; NaN without spots."""
    called, present = _expressed(predicted, observed)
    return ratio((called == present).sum(axis=1), np.full(len(present), present.shape[1]))


def zero_sensitivity(predicted: Float, observed: Float, /) -> Float:
    """Return the share of the spots expressing a gene that are predicted to, (t,); NaN if it is expressed nowhere."""
    called, present = _expressed(predicted, observed)
    return ratio((called & present).sum(axis=1), present.sum(axis=1))


def zero_specificity(predicted: Float, observed: Float, /) -> Float:
    """Return the share of the spots without a gene that are predicted so, (t,); NaN if it is expressed everywhere."""
    called, present = _expressed(predicted, observed)
    return ratio((~called & ~present).sum(axis=1), (~present).sum(axis=1))


def zero_f1(predicted: Float, observed: Float, /) -> Float:
    """Return the F1 of expression, (t,) in [0, 1]; NaN for a gene that is neither expressed nor predicted to be."""
    called, present = _expressed(predicted, observed)
    return ratio(2 * (called & present).sum(axis=1), called.sum(axis=1) + present.sum(axis=1))


def mae_of_nonzeros(predicted: Float, observed: Float, /) -> Float:
    """Return the mean absolute error over the spots that express a gene, (t,); NaN if it is expressed nowhere."""
    left, right = paired(predicted, observed)
    present = right > 0
    error = np.where(present, np.abs(left - right), 0.0).sum(axis=1)
    return ratio(error, present.sum(axis=1))


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
    size, hits, passes, answers, truths, zeros, predicted_zeros, present, error = np.asarray(counts).tolist()
    return np.array(
        [
            (hits + passes) / size,
            abs(zeros / size - predicted_zeros / size),
            hits / (truths + _EPSILON),
            passes / (size - truths + _EPSILON),
            2 * hits / (answers + truths) if answers + truths else 0.0,
            error / present if present else 0.0,
        ]
    )


def _counts(predicted: Float, observed: Float) -> Rows:
    """Count what `published_zero_inflation` needs; the last is the sum of errors over non-zeros."""
    called, truly, present = predicted > THRESHOLD, observed > THRESHOLD, observed > 0
    flags = (called & truly, ~called & ~truly, called, truly, observed == 0, predicted < THRESHOLD, present)
    error = np.abs(predicted[present].astype(np.float64) - observed[present]).sum()
    return np.array([called.size, *(np.count_nonzero(flag) for flag in flags), error], dtype=np.float64)


def _expressed(predicted: Float, observed: Float) -> tuple[_Flags, _Flags]:
    """Return, a row a gene, where it is predicted to be expressed and where it is."""
    left, right = paired(predicted, observed)
    smallest = np.where(right > 0, right, np.inf).min(axis=1, initial=np.inf, keepdims=True)
    return left > np.minimum(THRESHOLD, smallest / 2), right > 0
