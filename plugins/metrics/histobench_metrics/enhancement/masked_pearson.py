"""Scores over the spots where a gene was masked: ``masked-pearson`` and ``masked-rmse``."""

import numpy as np

from histobench import Float, ScoreContext
from histobench_metrics.enhancement.heldout_pearson import hidden_of, shares_of, weighted_pearson
from histobench_metrics.regression.rmse import rmse
from histobench_metrics.tables import check_shapes, is_constant

__all__ = ["masked_pearson", "masked_rmse"]

_FEWEST = 3


def masked_pearson(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Correlate enhanced and true shares of molecules over the spots where the gene was masked.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Enhanced and held-out expression; the latter is not read.
    context
        With the expression of the whole counts (here the truth) and the held-out molecules (the weights of spots).

    Returns
    -------
    (t,) float64 in [-1, 1]
        NaN where a gene was masked in fewer than three spots with molecules, or either side is constant over them.
    """
    _, t = check_shapes(predicted, observed)
    hidden = hidden_of(context)
    scores = np.full(t, np.nan)
    for column in range(t):
        rows = hidden.masked[:, column] & (hidden.depth > 0)
        enhanced, true = (np.asarray(side)[rows, column : column + 1] for side in (predicted, hidden.truth))
        if rows.sum() >= _FEWEST and not is_constant(np.maximum(enhanced, 0))[0] and not is_constant(true)[0]:
            scores[column] = weighted_pearson(shares_of(enhanced), shares_of(true), hidden.depth[rows])[0]
    return scores


def masked_rmse(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Return the root mean squared error over the spots where the gene was masked: (t,) float64 of (n, t) tables.

    The truth is the expression of the spot's whole counts. NaN where a gene was masked in fewer than three spots.
    """
    _, t = check_shapes(predicted, observed)
    hidden = hidden_of(context)
    scores = np.full(t, np.nan)
    for column in range(t):
        rows = hidden.masked[:, column]
        if rows.sum() >= _FEWEST:
            one = slice(column, column + 1)
            scores[column] = rmse(predicted[rows, one], hidden.truth[rows, one])[0]
    return scores
