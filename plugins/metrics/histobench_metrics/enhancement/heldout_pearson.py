"""How well enhanced expression predicts a gene's share of the held-out molecules.

ln(1 + counts per 10,000) of few molecules depends on their number: a spot with twice as many has fewer zeros, and a
higher expected logarithm, for every gene. Correlating such logarithms rewards knowing how many molecules a spot has,
and nothing about genes. A share is unbiased however few the molecules are; only its uncertainty depends on them.
"""

import numpy as np

from histobench import DataError, Float, Hidden, ScoreContext
from histobench_metrics.regression.pearson import pearson
from histobench_metrics.tables import Rows, check_shapes, is_constant

__all__ = ["heldout_log_pearson", "heldout_pearson", "hidden_of", "shares_of", "weighted_pearson"]

CP10K = 1e4
"""Molecules that a spot's expression is scaled to."""


def heldout_pearson(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Correlate enhanced and held-out shares of a spot's molecules; spots are weighted by their held-out molecules.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Enhanced and held-out expression, ln(1 + counts per 10,000).
    context
        With the number of molecules in the held-out part of each spot.

    Returns
    -------
    (t,) float64 in [-1, 1]
        0 where a gene that varies is enhanced to one value: leaving it out would reward predicting constants for hard
        genes. NaN where the held-out share does not vary, or fewer than two spots have molecules.

    References
    ----------
    Batson, Royer & Webber (2019), *bioRxiv* 786269: scored on held-out molecules. Townes et al. (2019), *Genome Biol.*
    20:295: how logarithms of few molecules behave. Weights are one over the counting variance of a share.
    """
    depth = np.asarray(hidden_of(context).depth, dtype=np.float64)
    check_shapes(predicted, observed)
    counted = depth > 0
    enhanced, held_out = (np.asarray(side)[counted] for side in (predicted, observed))
    scores = weighted_pearson(shares_of(enhanced), shares_of(held_out), depth[counted])
    return np.where(is_constant(held_out), np.nan, np.where(is_constant(np.maximum(enhanced, 0)), 0.0, scores))


def heldout_log_pearson(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Correlate enhanced and held-out ln(1 + counts per 10,000) over spots: (t,) float64 of (n, t) tables.

    This is the usual score of a regression, kept for comparison; see the module for what it rewards. NaN where either
    side is constant.
    """
    hidden_of(context)
    return pearson(predicted, observed)


def hidden_of(context: ScoreContext) -> Hidden:
    """Return what was held out from the method, or raise `DataError` if that is not known."""
    if context.hidden is None:
        raise DataError("it needs to know what was hidden from the method, and was given nothing")
    return context.hidden


def weighted_pearson(predicted: Rows, observed: Rows, weights: Float, /) -> Rows:
    """Correlate (t, n) tables row by row with weights (n,) of zero or more for the columns: (t,), 0 for constants."""
    if not weights.sum() > 0:
        return np.zeros(len(predicted))
    parts = weights / weights.sum()
    left, right = (side / np.maximum(np.abs(side).max(axis=1, keepdims=True), 1e-300) for side in (predicted, observed))
    left, right = (side - (side @ parts)[:, None] for side in (left, right))
    spread = np.sqrt((left**2 @ parts) * (right**2 @ parts))
    scores: Rows = np.clip((left * right) @ parts / np.where(spread > 0, spread, 1.0), -1.0, 1.0)
    return scores


def shares_of(expression: Float, /) -> Rows:
    """Convert (n, t) ln(1 + counts per 10,000) to shares of the spot's molecules, at most all: (t, n) float64."""
    values = np.ascontiguousarray(np.transpose(expression), dtype=np.float64)
    shares: Rows = np.expm1(np.clip(values, 0.0, np.log1p(CP10K))) / CP10K
    return shares
