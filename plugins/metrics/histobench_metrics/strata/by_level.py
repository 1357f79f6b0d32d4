"""Scores of some targets at a time: weakly and strongly expressed (``…-by-level``), rare and common (``…-by-rarity``).

Targets are divided by their values on the training spots, never by the slide that is scored.
"""

import numpy as np

from histobench import DataError, Float, ScoreContext, TrainingFacts
from histobench_metrics.regression.pearson import pearson
from histobench_metrics.regression.r2 import nrmse
from histobench_metrics.tables import Rows, nan_mean, over_targets

__all__ = ["nrmse_by_level", "pearson_by_level", "pearson_by_rarity"]


def pearson_by_level(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Average the Pearson correlations of the targets in each third by training mean.

    Parameters
    ----------
    predicted, observed : (n, t) float32
    context
        With the training facts.

    Returns
    -------
    (3,) float64 in [-1, 1]
        See `LEVELS`; NaN for a third without a target whose correlation is defined.
    """
    return _thirds(over_targets(pearson, predicted, observed), _facts(context).mean)


def nrmse_by_level(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Average the normalised errors of the targets in each third by training mean: (3,) of (n, t) tables; see `nrmse`.

    NaN for a third without a target whose error is defined.
    """
    return _thirds(over_targets(nrmse, predicted, observed), _facts(context).mean)


def pearson_by_rarity(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Average the Pearson correlations in each third by share of training spots above zero: (3,) of (n, t) tables.

    NaN for a third without a target whose correlation is defined.
    """
    return _thirds(over_targets(pearson, predicted, observed), _facts(context).prevalence)


def _facts(context: ScoreContext) -> TrainingFacts:
    if context.training is None:
        raise DataError("it needs facts about the training spots, and was given none")
    return context.training


def _thirds(scores: Float, by: Float) -> Rows:
    """Average (t,) scores in each third of the targets by some (t,) fact; ties stay together."""
    if not len(by):
        return np.full(3, np.nan)
    third = np.searchsorted(np.quantile(by, [1 / 3, 2 / 3]), by)
    return np.array([nan_mean(scores[third == place]) for place in range(3)])
