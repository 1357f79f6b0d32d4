"""Correlations and errors exactly as the published evaluation scripts compute them, so that like meets like.

hist2scRNA (expression protocol, section 9) scores all values at once, each gene and each spot, and leaves out genes
whose variance is below 1e-10 on either side; the bulk hist2RNA sums a histogram of correlations up. What the abundance
scripts compute (CUCA, Hist2Cell) is Pearson and Spearman as SciPy has them: their cards share these functions.
"""

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from histobench import Float
from histobench_metrics.regression.correlation import pearson, spearman
from histobench_metrics.regression.deviation import mae, r2, rmse
from histobench_metrics.regression.spots import over_spots
from histobench_metrics.tables import Rows, check_shapes, nan_mean, over_targets

__all__ = [
    "CORRELATIONS", "ERRORS", "LEVELS", "auc_rch", "mae_everywhere", "mae_of_levels", "mse_everywhere",
    "mse_of_levels", "pearson_everywhere", "pearson_of_levels", "r2_overall", "rmse_overall", "spearman_everywhere",
]  # fmt: skip

CORRELATIONS = (
    "overall", "gene mean", "gene median", "gene mean, left out as 0", "spot mean", "spot median", "spot lowest",
    "spot highest",
)  # fmt: skip
"""Columns of a correlation; the fourth is ours: genes that are left out count as 0, which no collapse can better."""

ERRORS = ("overall", "gene mean")
"""Columns of an error."""

LEVELS = ("0-1", "1-5", "5-10", "10-50", "50+")
"""Bins of observed values; a bin of ten values or fewer is undefined."""

_VARIANCE = 1e-10
_EDGES = np.array([0.0, 1.0, 5.0, 10.0, 50.0, np.inf])
_FEWEST = 10
_MOST = 1 << 26
_BINS = 1000

_Score = Callable[[Float, Float], Float]


def pearson_everywhere(predicted: Float, observed: Float, /) -> Float:
    """Correlate all values at once, each gene and each spot: (8,) float64, see `CORRELATIONS`, of (n, t) tables."""
    return _correlations(pearson, predicted, observed)


def spearman_everywhere(predicted: Float, observed: Float, /) -> Float:
    """Correlate the ranks of all values, each gene's and each spot's: (8,) float64 of (n, t) tables."""
    return _correlations(spearman, predicted, observed)


def mse_everywhere(predicted: Float, observed: Float, /) -> Float:
    """Take the mean squared error of all values, and of the genes that vary: (2,) float64 of (n, t) tables."""
    return _errors(lambda p, y: rmse(p, y) ** 2, predicted, observed)


def mae_everywhere(predicted: Float, observed: Float, /) -> Float:
    """Take the mean absolute error of all values, and of the genes that vary: (2,) float64 of (n, t) tables."""
    return _errors(mae, predicted, observed)


def rmse_overall(predicted: Float, observed: Float, /) -> Float:
    """Take the root of the mean squared error over all values at once: (1,) float64 of (n, t) tables."""
    return np.array([_overall(rmse, predicted, observed)])


def r2_overall(predicted: Float, observed: Float, /) -> Float:
    """Take the share explained of all values' variance around their one mean: (1,) float64 of (n, t) tables."""
    return np.array([_overall(r2, predicted, observed)])


def mae_of_levels(predicted: Float, observed: Float, /) -> Float:
    """Take the mean absolute error of the values in each bin of `LEVELS`: (5,) float64 of (n, t) tables.

    Descriptive only: choosing values by what was observed makes every honest prediction err towards the mean.
    """
    return _levels(mae, predicted, observed)


def mse_of_levels(predicted: Float, observed: Float, /) -> Float:
    """Take the mean squared error of the values in each bin of `LEVELS`: (5,) float64 of (n, t) tables.

    Descriptive only, as `mae_of_levels` is.
    """
    return _levels(lambda p, y: rmse(p, y) ** 2, predicted, observed)


def pearson_of_levels(predicted: Float, observed: Float, /) -> Float:
    """Correlate the values in each bin of `LEVELS`, 0 where the observed do not vary: (5,) float64 of (n, t) tables."""

    def published(one: Float, other: Float) -> Rows:
        constant = min(one.var(dtype=np.float64), other.var(dtype=np.float64)) <= _VARIANCE
        return np.zeros(1) if constant else np.nan_to_num(pearson(one, other))

    return _levels(published, predicted, observed)


def auc_rch(predicted: Float, observed: Float, /) -> Float:
    """Take the area under the reverse cumulative histogram of Spearman correlations, of genes and of spots.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Spots take the place of the publication's patients.

    Returns
    -------
    (2,) float64 in [0, 1]
        Over the genes' correlations and over the spots'; one half where these are 0 on average. NaN where none is
        defined.
    """
    spots = over_spots(spearman, predicted, observed)
    return np.array([_area(over_targets(spearman, predicted, observed)), _area(spots)])


def _area(correlations: Float) -> float:
    defined = correlations[~np.isnan(correlations)]
    if not defined.size:
        return float("nan")
    # rounded, so that equal correlations fall into one bin whatever the order they were summed in
    counts = np.histogram(defined.round(12), bins=_BINS, range=(-1.0, 1.0))[0]
    at_least = counts[::-1].cumsum()[::-1] / defined.size
    return float(at_least.sum() / _BINS)  # bins are 2 / 1000 wide, and the area is halved


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
