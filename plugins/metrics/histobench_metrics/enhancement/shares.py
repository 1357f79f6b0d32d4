"""Whether enhanced expression foretells a gene's share of the held-out molecules, whatever the spot's number of them.

ln(1 + counts per 10,000) of few molecules follows their number: a spot with twice as many has fewer zeros, and a higher
expected logarithm, of every gene. Correlating such logarithms rewards whoever knows how many molecules a spot has, and
no gene at all. A share is right on average however few the molecules are, and as uncertain as they are few.
"""

import numpy as np

from histobench import DataError, Float, ScoreContext
from histobench_metrics.regression.correlation import pearson
from histobench_metrics.tables import Rows, check_shapes, is_constant

__all__ = ["heldout_log_pearson", "heldout_pearson", "shares_of", "weighted_pearson"]

CP10K = 1e4
"""Molecules that a spot's expression is scaled to."""


def heldout_pearson(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Correlate enhanced and held-out shares of a spot's molecules, every spot weighing as many as were held out of it.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Enhanced and held-out expression, ln(1 + counts per 10,000).
    context
        With the number of molecules in the held-out part of each spot.

    Returns
    -------
    (t,) float64 in [-1, 1]
        0 where a gene that varies is enhanced to one value: to leave it out would reward saying nothing of hard genes.
        NaN where its held-out share does not vary, or fewer than two spots have molecules.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    DataError
        Without what was hidden.

    References
    ----------
    Batson, Royer & Webber (2019), *bioRxiv* 786269: scored on held-out molecules. Townes et al. (2019), *Genome Biol.*
    20:295: what logarithms of few molecules follow. Weights are one over the variance that counting gives a share.
    """
    depth = _depth(context)
    check_shapes(predicted, observed)
    counted = depth > 0
    said, seen = (np.asarray(side)[counted] for side in (predicted, observed))
    scores = weighted_pearson(shares_of(said), shares_of(seen), depth[counted])
    return np.where(is_constant(seen), np.nan, np.where(is_constant(np.maximum(said, 0)), 0.0, scores))


def heldout_log_pearson(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Correlate enhanced and held-out ln(1 + counts per 10,000) over spots: (t,) float64 of (n, t) tables.

    The score of a regression, kept to be compared with; see the module for what it rewards. NaN where either side is
    constant.
    """
    _depth(context)
    return pearson(predicted, observed)


def weighted_pearson(predicted: Rows, observed: Rows, weights: Float, /) -> Rows:
    """Correlate (t, n) tables row by row, the n columns with weights (n,) of zero or more: (t,), 0 without a spread."""
    if not weights.sum() > 0:
        return np.zeros(len(predicted))
    parts = weights / weights.sum()
    left, right = (side / np.maximum(np.abs(side).max(axis=1, keepdims=True), 1e-300) for side in (predicted, observed))
    left, right = (side - (side @ parts)[:, None] for side in (left, right))
    spread = np.sqrt((left**2 @ parts) * (right**2 @ parts))
    scores: Rows = np.clip((left * right) @ parts / np.where(spread > 0, spread, 1.0), -1.0, 1.0)
    return scores


def shares_of(expression: Float, /) -> Rows:
    """Turn (n, t) ln(1 + counts per 10,000) into shares of the spot's molecules, no more than all: (t, n) float64."""
    values = np.ascontiguousarray(np.transpose(expression), dtype=np.float64)
    shares: Rows = np.expm1(np.clip(values, 0.0, np.log1p(CP10K))) / CP10K
    return shares


def _depth(context: ScoreContext) -> Rows:
    if context.hidden is None:
        raise DataError("it needs to know what was hidden from the method, and was not told")
    return np.asarray(context.hidden.depth, dtype=np.float64)
