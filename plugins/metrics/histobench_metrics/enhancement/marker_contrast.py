"""How well genes mark their regions, enhanced and raw."""

import numpy as np
import numpy.typing as npt

from histobench import DataError, Float, ScoreContext
from histobench_metrics.enhancement.columns import CONTRAST
from histobench_metrics.regression.spearman import average_ranks
from histobench_metrics.tables import Rows, check_shapes, is_constant, nan_mean, paired

__all__ = ["marker_contrast"]

_FEWEST = 5


def marker_contrast(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Measure how far the regions are apart in each gene, enhanced and raw, with the same grouping.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Enhanced and held-out expression of one slide.
    context
        With the regions of the spots, and the raw expression of the whole counts.

    Returns
    -------
    (4,) float64 in [0, 1]
        See `CONTRAST`: means over genes of the area under the ROC with which a gene finds the region in which its raw
        mean is the highest, and of the share of its variance that is between regions. Regions of five spots or more
        count. NaN with fewer than two of them, or no gene that varies.

    References
    ----------
    Expression protocol, section 12. Both rise with any smoothing within regions, so compare them with the mean of the
    neighbours.
    """
    check_shapes(predicted, observed)
    if context.regions is None or context.hidden is None:
        raise DataError("it needs regions and the expression before anything was hidden, and was not given both")
    names, counts = np.unique(context.regions, return_counts=True)
    names = names[(counts >= _FEWEST) & (names != "")]
    rows = np.isin(context.regions, names)
    if len(names) < 2 or not predicted.shape[1]:
        return np.full(len(CONTRAST), np.nan)
    belongs = context.regions[rows] == names[:, None]
    enhanced, raw = paired(predicted[rows], context.hidden.truth[rows])
    own = belongs[np.argmax(raw @ belongs.T / belongs.sum(axis=1), axis=1)]
    areas = [_mean(_areas(side, own), side) for side in (enhanced, raw)]
    shares = [_mean(_shares_between(side, belongs), side) for side in (enhanced, raw)]
    return np.array([*areas, *shares])


def _mean(scores: Rows, values: Rows) -> float:
    """Average the scores of the rows of values that vary."""
    return nan_mean(np.where(is_constant(values.T), np.nan, scores))


def _areas(values: Rows, own: npt.NDArray[np.bool_]) -> Rows:
    """Return the area under the ROC of each row's values for its own (t, n) spots."""
    inside = own.sum(axis=1)
    above = (average_ranks(values) * own).sum(axis=1) - inside * (inside + 1) / 2
    areas: Rows = above / (inside * (own.shape[1] - inside))
    return areas


def _shares_between(values: Rows, belongs: npt.NDArray[np.bool_]) -> Rows:
    """Return the share of each row's variance that is between the (k, n) regions."""
    largest = np.abs(values).max(axis=1, keepdims=True)
    centred = values / np.where(largest > 0, largest, 1.0)
    centred = centred - centred.mean(axis=1, keepdims=True)
    sums = centred @ belongs.T
    total = (centred**2).sum(axis=1)
    between = (sums**2 / belongs.sum(axis=1)).sum(axis=1)
    shares: Rows = np.clip(between / np.where(total > 0, total, 1.0), 0.0, 1.0)
    return shares
