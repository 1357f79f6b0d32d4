"""Whether enhanced expression foretells the molecules that were kept from the method."""

import numpy as np
from scipy.special import xlogy

from histobench import DataError, Float, Hidden, ScoreContext
from histobench_metrics.enhancement.shares import shares_of, weighted_pearson
from histobench_metrics.regression.deviation import rmse
from histobench_metrics.tables import Rows, check_shapes, is_constant

__all__ = ["heldout_deviance", "masked_pearson", "masked_rmse", "poisson_deviance"]

FLOOR = 0.01
"""Share of the gene's mean rate in every rate: a rate of zero would forbid a molecule that came, at any price."""

_FEWEST = 3


def heldout_deviance(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Take the share of the Poisson deviance of the held-out molecules that the enhanced expression explains.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Enhanced and held-out expression, ln(1 + counts per 10,000).
    context
        With the number of molecules in the held-out part of each spot.

    Returns
    -------
    (t,) float64, at most 1
        0 is what the gene's mean, in proportion to each spot's molecules, would reach; negative is worse. Rates are
        scaled by one factor a gene to the sum of its molecules, so that only their pattern counts, and hold 1 % of the
        gene's mean. NaN where the gene's molecules lie as its mean says, or there are none.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    DataError
        Without what was hidden.

    References
    ----------
    Cameron & Windmeijer (1996), *J. Bus. Econ. Stat.* 14:209–220 (R² by deviance); expression protocol, section 12.
    """
    check_shapes(predicted, observed)
    rates, counts = (shares_of(side) for side in (predicted, observed))
    depth = np.asarray(_hidden(context).depth, dtype=np.float64)
    counts = counts * depth
    total = counts.sum(axis=1, keepdims=True)
    mean = total * (depth / depth.sum() if depth.sum() > 0 else depth)
    rates = rates * depth
    said = rates.sum(axis=1, keepdims=True)
    # who says nothing of a gene says its mean
    pattern = np.where(said > 0, rates * (total / np.where(said > 0, said, 1.0)), mean)
    null = poisson_deviance(counts, mean)
    missed = poisson_deviance(counts, FLOOR * mean + (1.0 - FLOOR) * pattern)
    defined = null > 1e-9 * np.maximum(total[:, 0], 1e-9)
    return np.where(defined, 1.0 - missed / np.where(defined, null, 1.0), np.nan)


def masked_pearson(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Correlate enhanced and true shares of molecules over the spots where the gene was masked.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Enhanced and held-out expression; the latter is not read.
    context
        With the expression of the whole counts, the truth here, and the molecules held out, which spots weigh by.

    Returns
    -------
    (t,) float64 in [-1, 1]
        NaN where a gene was masked in fewer than three spots with molecules, or either side is constant over them.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    DataError
        Without what was hidden.
    """
    _, t = check_shapes(predicted, observed)
    hidden = _hidden(context)
    scores = np.full(t, np.nan)
    for column in range(t):
        rows = hidden.masked[:, column] & (hidden.depth > 0)
        said, true = (np.asarray(side)[rows, column : column + 1] for side in (predicted, hidden.truth))
        if rows.sum() >= _FEWEST and not is_constant(np.maximum(said, 0))[0] and not is_constant(true)[0]:
            scores[column] = weighted_pearson(shares_of(said), shares_of(true), hidden.depth[rows])[0]
    return scores


def masked_rmse(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Take the root mean squared error over the spots where the gene was masked: (t,) float64 of (n, t) tables.

    The truth is that of the spot's whole counts. NaN where a gene was masked in fewer than three spots.
    """
    _, t = check_shapes(predicted, observed)
    hidden = _hidden(context)
    scores = np.full(t, np.nan)
    for column in range(t):
        rows = hidden.masked[:, column]
        if rows.sum() >= _FEWEST:
            one = slice(column, column + 1)
            scores[column] = rmse(predicted[rows, one], hidden.truth[rows, one])[0]
    return scores


def poisson_deviance(counts: Rows, rates: Rows, /) -> Rows:
    """Sum the Poisson deviance over spots: (t,) of (t, n) counts and rates; rates above zero where counts are."""
    ratio = np.where(counts > 0, counts / np.where(rates > 0, rates, 1.0), 1.0)
    deviance: Rows = 2.0 * (xlogy(counts, ratio) - (counts - rates)).sum(axis=1)
    return deviance


def _hidden(context: ScoreContext) -> Hidden:
    if context.hidden is None:
        raise DataError("it needs to know what was hidden from the method, and was not told")
    return context.hidden
