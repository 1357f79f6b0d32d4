"""What all metrics share: the check of the two tables, averages, and what counts as constant.

Inside the metrics a target is a row: its spots are contiguous in memory, where numpy sorts fast and sums pairwise,
which keeps the rounding of long sums small.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from histobench import Float, ShapeError

__all__ = [
    "BLOCK", "Rows", "check_shapes", "is_constant", "largest_of", "mean_median", "mean_over_spots", "nan_mean",
    "over_spots", "over_targets", "paired", "ratio",
]  # fmt: skip

Rows: TypeAlias = npt.NDArray[np.float64]
"""(t, n) float64, a row a target."""

BLOCK = 1 << 22
"""Values that a metric of spots, or of all targets together, processes at once: 32 MiB as float64."""

ROUNDING_STEPS = 8
"""Relative rounding steps of the values' own dtype within which a column counts as constant.

A head that predicts one number for all spots yields, through a matrix product in float32, values that differ in the
last bit or two. Their correlation is that of rounding noise, so a column must vary by more than a few steps.
"""


def paired(predicted: Float, observed: Float) -> tuple[Rows, Rows]:
    """Check two (n, t) tables against each other and return them as (t, n) float64, a row a target.

    Raises
    ------
    ShapeError
        If one is not a table or the two shapes differ.
    """
    check_shapes(predicted, observed)
    left, right = (np.ascontiguousarray(np.transpose(side), dtype=np.float64) for side in (predicted, observed))
    return left, right


def check_shapes(predicted: Float, observed: Float) -> tuple[int, int]:
    """Check two (n, t) tables against each other, and return n and t.

    Raises
    ------
    ShapeError
        If one is not a table or the two shapes differ.
    """
    if np.ndim(predicted) != 2 or np.shape(predicted) != np.shape(observed):
        raise ShapeError(
            "prediction and observation must both be (n_spots, n_targets), "
            f"got {np.shape(predicted)} and {np.shape(observed)}."
        )
    n, t = np.shape(predicted)
    return n, t


def is_constant(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return for each column whether it holds one value, up to the rounding of its dtype.

    Parameters
    ----------
    values : (n, t)
        In the dtype in which they were made. A column with NaN or infinity counts as constant, and so does one of
        fewer than two spots: neither can be correlated.

    Returns
    -------
    (t,) bool
    """
    if len(values) < 2:
        return np.ones(values.shape[1], dtype=np.bool_)
    kind = values.dtype if np.issubdtype(values.dtype, np.floating) else np.dtype(np.float64)
    lowest, highest = (part.astype(np.float64) for part in (values.min(axis=0), values.max(axis=0)))
    with np.errstate(invalid="ignore", over="ignore"):
        largest = np.maximum(np.abs(lowest), np.abs(highest))
        spread = highest / 2 - lowest / 2  # halves: the whole may overflow
        moves = spread > ROUNDING_STEPS / 2 * float(np.finfo(kind).eps) * largest
    constant: npt.NDArray[np.bool_] = ~(moves & np.isfinite(largest))
    return constant


def over_targets(score: Callable[[Float, Float], npt.NDArray[Any]], predicted: Float, observed: Float, /) -> Rows:
    """Score every target, a block of targets at a time, so that memory does not grow with their number.

    Parameters
    ----------
    score
        Takes (n, k) prediction and observation, and returns (k,).
    predicted, observed : (n, t)

    Returns
    -------
    (t,) float64
    """
    n, t = check_shapes(predicted, observed)
    step = max(1, BLOCK // max(n, 1))
    parts = [score(predicted[:, i : i + step], observed[:, i : i + step]) for i in range(0, t, step)]
    return np.concatenate(parts).astype(np.float64) if parts else np.empty(0)


def over_spots(score: Callable[[Float, Float], Float], predicted: Float, observed: Float, /) -> Rows:
    """Score every spot of (n, t) tables over its targets: (n,) float64; `score` is given a column a spot."""
    return over_targets(score, np.transpose(predicted), np.transpose(observed))


def largest_of(values: Rows) -> Rows:
    """Return the largest absolute value of each row of (t, n): (t, 1), and 1 where that is 0."""
    largest: Rows = np.abs(values).max(axis=1, keepdims=True, initial=0.0)
    return np.where(largest > 0, largest, 1.0)


def mean_over_spots(values: Rows) -> Rows:
    """Average each row of (t, n) values: (t,) float64, NaN without spots."""
    mean: Rows = values.mean(axis=1) if values.shape[1] else np.full(len(values), np.nan)
    return mean


def nan_mean(scores: Rows) -> float:
    """Average the defined ones of some (k,) scores; NaN if there are none."""
    defined = scores[~np.isnan(scores)]
    return float(defined.mean()) if defined.size else float("nan")


def mean_median(scores: Rows) -> Rows:
    """Return mean and median of the defined ones of some (k,) scores: (2,) float64; NaN if there are none."""
    defined = scores[~np.isnan(scores)]
    return np.array([defined.mean(), np.median(defined)]) if defined.size else np.full(2, np.nan)


def ratio(part: npt.NDArray[Any], whole: npt.NDArray[np.int64]) -> Rows:
    """Divide (t,) sums by (t,) counts; NaN where the count is zero."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
