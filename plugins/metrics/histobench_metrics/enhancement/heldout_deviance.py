"""Share of the Poisson deviance of the held-out molecules that enhanced expression explains."""

import numpy as np
from scipy.special import xlogy

from histobench import Float, ScoreContext
from histobench_metrics.enhancement.heldout_pearson import hidden_of, shares_of
from histobench_metrics.tables import Rows, check_shapes

__all__ = ["heldout_deviance", "poisson_deviance"]

FLOOR = 0.01
"""Share of the gene's mean rate in every rate: at a rate of zero, one molecule would cost infinitely much."""


def heldout_deviance(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Return the share of the Poisson deviance of the held-out molecules that the enhanced expression explains.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Enhanced and held-out expression, ln(1 + counts per 10,000).
    context
        With the number of molecules in the held-out part of each spot.

    Returns
    -------
    (t,) float64, at most 1
        0 is what the gene's mean, in proportion to each spot's molecules, reaches; negative is worse. Rates are scaled
        by one factor per gene to the sum of its molecules, so that only their pattern counts, and contain 1 % of the
        gene's mean. NaN where the molecules are distributed exactly as the gene's mean, or there are none.

    References
    ----------
    Cameron & Windmeijer (1996), *J. Bus. Econ. Stat.* 14:209–220 (R² by deviance); expression protocol, section 12.
    """
    check_shapes(predicted, observed)
    rates, counts = (shares_of(side) for side in (predicted, observed))
    depth = np.asarray(hidden_of(context).depth, dtype=np.float64)
    counts = counts * depth
    total = counts.sum(axis=1, keepdims=True)
    mean = total * (depth / depth.sum() if depth.sum() > 0 else depth)
    rates = rates * depth
    sums = rates.sum(axis=1, keepdims=True)
    # a gene that is predicted to be nowhere gets its mean
    pattern = np.where(sums > 0, rates * (total / np.where(sums > 0, sums, 1.0)), mean)
    null = poisson_deviance(counts, mean)
    missed = poisson_deviance(counts, FLOOR * mean + (1.0 - FLOOR) * pattern)
    defined = null > 1e-9 * np.maximum(total[:, 0], 1e-9)
    return np.where(defined, 1.0 - missed / np.where(defined, null, 1.0), np.nan)


def poisson_deviance(counts: Rows, rates: Rows, /) -> Rows:
    """Sum the Poisson deviance over spots: (t,) of (t, n) counts and rates; rates must be positive where counts are."""
    quotient = np.where(counts > 0, counts / np.where(rates > 0, rates, 1.0), 1.0)
    deviance: Rows = 2.0 * (xlogy(counts, quotient) - (counts - rates)).sum(axis=1)
    return deviance
