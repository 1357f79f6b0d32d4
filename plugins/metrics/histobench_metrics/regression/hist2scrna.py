"""Correlations and errors exactly as hist2scRNA's evaluation script computes them (expression protocol, section 9).

All values at once, each gene and each spot are scored; genes with a variance below 1e-10 on either side are left out.
"""

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from histobench import Float
from histobench_metrics.regression.columns import LEVELS
from histobench_metrics.regression.mae import mae
from histobench_metrics.regression.pearson import pearson
from histobench_metrics.regression.r2 import r2
from histobench_metrics.regression.rmse import rmse
from histobench_metrics.regression.spearman import spearman
from histobench_metrics.tables import Rows, check_shapes, nan_mean, over_spots, over_targets

__all__ = [
    "mae_everywhere", "mae_of_levels", "mse_everywhere", "mse_of_levels", "pearson_everywhere", "pearson_of_levels",
    "r2_overall", "rmse_overall", "spearman_everywhere",
]  # fmt: skip

_VARIANCE = 1e-10
_EDGES = np.array([0.0, 1.0, 5.0, 10.0, 50.0, np.inf])
_FEWEST = 10
_MOST = 1 << 26

_Score = Callable[[Float, Float], Float]


def pearson_everywhere(predicted: Float, observed: Float, /) -> Float:
    """Correlate all values at once, each gene and each spot: (8,) float64, see `CORRELATIONS`, of (n, t) tables."""
    return _correlations(pearson, predicted, observed)


def spearman_everywhere(predicted: Float, observed: Float, /) -> Float:
    """Correlate the ranks of all values, of each gene and of each spot: (8,) float64 of (n, t) tables."""
    return _correlations(spearman, predicted, observed)


def mse_everywhere(predicted: Float, observed: Float, /) -> Float:
    """Return the mean squared error of all values, and of the genes that vary: (2,) float64 of (n, t) tables."""
    return _errors(_mse, predicted, observed)


def mae_everywhere(predicted: Float, observed: Float, /) -> Float:
    """Return the mean absolute error of all values, and of the genes that vary: (2,) float64 of (n, t) tables."""
    return _errors(mae, predicted, observed)


def rmse_overall(predicted: Float, observed: Float, /) -> Float:
    """Return the root of the mean squared error over all values at once: (1,) float64 of (n, t) tables."""
    return np.array([_overall(rmse, predicted, observed)])


def r2_overall(predicted: Float, observed: Float, /) -> Float:
    """Return the share explained of all values' variance around their one mean: (1,) float64 of (n, t) tables."""
    return np.array([_overall(r2, predicted, observed)])


def mae_of_levels(predicted: Float, observed: Float, /) -> Float:
    """Return the mean absolute error of the values in each bin of `LEVELS`: (5,) float64 of (n, t) tables.

    Descriptive only: choosing values by their observation makes every honest prediction err towards the mean.
    """
    return _levels(mae, predicted, observed)


def mse_of_levels(predicted: Float, observed: Float, /) -> Float:
    """Return the mean squared error of the values in each bin of `LEVELS`: (5,) of (n, t) tables; descriptive only."""
    return _levels(_mse, predicted, observed)


def pearson_of_levels(predicted: Float, observed: Float, /) -> Float:
    """Correlate the values in each bin of `LEVELS`; 0 where they do not vary: (5,) float64 of (n, t) tables."""

    def published(one: Float, other: Float) -> Rows:
        constant = min(one.var(dtype=np.float64), other.var(dtype=np.float64)) <= _VARIANCE
        return np.zeros(1) if constant else np.nan_to_num(pearson(one, other))

    return _levels(published, predicted, observed)


def _mse(predicted: Float, observed: Float) -> Float:
    return rmse(predicted, observed) ** 2


def _correlations(score: _Score, predicted: Float, observed: Float) -> Rows:
    genes = _genes(score, predicted, observed)
    spots = over_spots(score, predicted, observed)
    defined, known = genes[~np.isnan(genes)], spots[~np.isnan(spots)]
    return np.array(
        [
            _overall(score, predicted, observed),
            nan_mean(genes),
            np.median(defined) if defined.size else np.nan,
            np.nan_to_num(genes).mean() if predicted.size else np.nan,
            nan_mean(spots),
            np.median(known) if known.size else np.nan,
            known.min(initial=1.0) if known.size else np.nan,
            known.max(initial=-1.0) if known.size else np.nan,
        ]
    )


def _errors(score: _Score, predicted: Float, observed: Float) -> Rows:
    genes = _genes(score, predicted, observed)
    return np.array([_overall(score, predicted, observed), nan_mean(genes)])


def _genes(score: _Score, predicted: Float, observed: Float) -> Rows:
    """Score the genes that vary on both sides, some at a time; the others are NaN."""
    return over_targets(lambda p, y: np.where(_varies(p, y), score(p, y), np.nan), predicted, observed)


def _varies(predicted: Float, observed: Float) -> npt.NDArray[np.bool_]:
    if not len(predicted):
        return np.zeros(predicted.shape[1], dtype=np.bool_)
    variances = np.minimum(predicted.var(axis=0, dtype=np.float64), observed.var(axis=0, dtype=np.float64))
    varies: npt.NDArray[np.bool_] = variances >= _VARIANCE
    return varies


def _overall(score: _Score, predicted: Float, observed: Float) -> float:
    check_shapes(predicted, observed)
    if not 0 < predicted.size <= _MOST:
        return float("nan")
    return float(score(predicted.reshape(-1, 1), observed.reshape(-1, 1))[0])


def _levels(score: _Score, predicted: Float, observed: Float) -> Rows:
    check_shapes(predicted, observed)
    scores = np.full(len(LEVELS), np.nan)
    if predicted.size > _MOST:
        return scores
    for place, (low, high) in enumerate(itertools.pairwise(_EDGES)):
        inside = (observed >= low) & (observed < high)
        if np.count_nonzero(inside) > _FEWEST:
            scores[place] = score(predicted[inside][:, None], observed[inside][:, None])[0]
    return scores
