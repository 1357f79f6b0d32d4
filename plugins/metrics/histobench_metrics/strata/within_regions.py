"""Scores over the spots of each annotated region."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from histobench import Float, ScoreContext
from histobench_metrics.regression.pearson import pearson
from histobench_metrics.tables import Rows, paired

__all__ = ["pearson_within_regions"]

_FEWEST = 5


def pearson_within_regions(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Correlate over the spots of each annotated region, and average over regions.

    The score measures what is predicted correctly beyond the differences between regions.

    Parameters
    ----------
    predicted, observed : (n, t) float32
    context
        With the regions of the spots.

    Returns
    -------
    (t,) float64 in [-1, 1]
        The mean over regions of five spots or more, all with the same weight. NaN where no region has a correlation.
    """
    paired(predicted[:0], observed[:0])
    regions = np.empty(len(predicted), dtype=np.str_) if context.regions is None else context.regions
    # a region belongs to one slide: between slides, differences of level would count as signal
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
