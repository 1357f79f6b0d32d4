"""Scores of some targets at a time: the weakly expressed and the strong, the rare and the common.

Targets are parted by what the training spots say of them, never by the slide that is scored.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from histobench import DataError, Float, ScoreContext, TrainingFacts
from histobench_metrics.regression.correlation import pearson
from histobench_metrics.regression.deviation import nrmse
from histobench_metrics.tables import Rows, nan_mean, over_targets, paired

__all__ = ["LEVELS", "RARITY", "nrmse_by_level", "pearson_by_level", "pearson_by_rarity", "pearson_within_regions"]

LEVELS = ("low", "medium", "high")
"""Thirds of the targets by their mean over the training spots."""

RARITY = ("rare", "middling", "common")
"""Thirds of the targets by the share of training spots in which they are above zero."""

_FEWEST = 5


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

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    return _thirds(over_targets(pearson, predicted, observed), _facts(context).mean)


def nrmse_by_level(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Average the errors of the targets in each third by training mean, in observed deviations: (3,) of (n, t) tables.

    NaN for a third without a target whose error is defined.
    """
    return _thirds(over_targets(nrmse, predicted, observed), _facts(context).mean)


def pearson_by_rarity(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Average the Pearson correlations in each third by share of training spots above zero: (3,) of (n, t) tables.

    NaN for a third without a target whose correlation is defined.
    """
    return _thirds(over_targets(pearson, predicted, observed), _facts(context).prevalence)


def pearson_within_regions(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Correlate the spots of each annotated region, and average over regions: what is known beyond telling them apart.

    Parameters
    ----------
    predicted, observed : (n, t) float32
    context
        With the regions of the spots.

    Returns
    -------
    (t,) float64 in [-1, 1]
        The mean over regions of five spots or more, each weighing the same. NaN where no region gives a correlation.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    paired(predicted[:0], observed[:0])
    regions = np.empty(len(predicted), dtype=np.str_) if context.regions is None else context.regions
    # a region is one slide's: between slides, differences of level would count as signal
    places = np.char.add(np.char.add(context.slide_ids, "\n"), regions)
    return _mean_over(pearson, places[regions != ""], predicted[regions != ""], observed[regions != ""])


def _mean_over(
    score: Callable[[Float, Float], Float], places: npt.NDArray[np.str_], predicted: Float, observed: Float
) -> Rows:
    names, counts = np.unique(places, return_counts=True)
    rows = [score(predicted[places == name], observed[places == name]) for name in names[counts >= _FEWEST]]
    table = np.array(rows).reshape(len(rows), predicted.shape[1])
    defined = ~np.isnan(table)
    total = np.where(defined, table, 0.0).sum(axis=0)
    return np.where(defined.any(axis=0), total / np.maximum(defined.sum(axis=0), 1), np.nan)


def _facts(context: ScoreContext) -> TrainingFacts:
    if context.training is None:
        raise DataError("it needs to know the training spots, and was given none")
    return context.training


def _thirds(scores: Float, by: Float) -> Rows:
    """Average (t,) scores in each third of the targets by some (t,) fact; ties stay together."""
    if not len(by):
        return np.full(3, np.nan)
    third = np.searchsorted(np.quantile(by, [1 / 3, 2 / 3]), by)
    return np.array([nan_mean(scores[third == place]) for place in range(3)])
