"""Mutual information of prediction and observation over the spots of a slide, by nearest neighbours."""

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from scipy.special import digamma

from histobench import Float
from histobench_metrics.tables import Rows, is_constant, paired

__all__ = ["mutual_information", "mutual_information_of_all"]

_NEIGHBOURS = 3
_SEED = 0
_NOISE = 1e-10


def mutual_information(predicted: Float, observed: Float, /) -> Float:
    """Estimate the mutual information of prediction and observation, whatever the form of their relation, in nats.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order; any units.

    Returns
    -------
    (t,) float64, at least 0
        NaN where either side is constant, up to the rounding of its dtype, or has three spots or fewer.

    References
    ----------
    Kraskov, Stögbauer & Grassberger (2004), *Phys. Rev. E* 69:066138, their first estimator with three neighbours, as
    scikit-learn's ``mutual_info_regression``: both sides are divided by their standard deviation, and noise of 1e-10 is
    added to break ties. We draw the noise from a fixed seed in the order of the values, so that the score repeats and
    does not depend on the order of the spots.
    """
    scores = mutual_information_of_all(predicted, observed)
    undefined = is_constant(np.asarray(predicted)) | is_constant(np.asarray(observed))
    return np.where(undefined, np.nan, scores)


def mutual_information_of_all(predicted: Float, observed: Float, /) -> Float:
    """Estimate the same as the abundance scripts do, constant columns included: (t,) float64 of (n, t) tables."""
    left, right = paired(predicted, observed)
    n = left.shape[1]
    if n <= _NEIGHBOURS:
        return np.full(len(left), np.nan)
    noise = np.random.default_rng(_SEED).standard_normal((2, n))
    pairs = zip(left, right, strict=True)
    return np.array([_estimate(x, y, noise) if np.isfinite(x + y).all() else np.nan for x, y in pairs])


def _estimate(predicted: Rows, observed: Rows, noise: Rows) -> float:
    order = np.lexsort((observed, predicted))
    x, y = _prepared(predicted[order], noise[0]), _prepared(observed[order], noise[1])
    points = np.stack([x, y], axis=1)
    distances = cKDTree(points).query(points, k=_NEIGHBOURS + 1, p=np.inf)[0][:, -1]
    # values nearer than the third neighbour; the margin excludes the neighbour itself despite rounding
    nearer = distances * (1 - 1e-12) - 1e-15
    counts = digamma(_within(x, nearer)) + digamma(_within(y, nearer))
    return max(0.0, float(digamma(len(x)) + digamma(_NEIGHBOURS) - counts.mean()))


def _prepared(values: Rows, noise: Rows) -> Rows:
    largest = np.abs(values).max()
    scaled = values / largest if largest > 0 else values
    deviation = scaled.std()
    scaled = scaled / deviation if deviation > 0 else scaled * (largest or 1.0)
    ready: Rows = scaled - scaled.mean() + _NOISE * max(1.0, np.abs(scaled).mean()) * noise
    return ready


def _within(values: Rows, radii: Rows) -> npt.NDArray[np.int64]:
    """Count for each value those within its radius, itself included."""
    ascending = np.sort(values)
    upper = np.searchsorted(ascending, values + radii, side="right")
    counts: npt.NDArray[np.int64] = np.maximum(upper - np.searchsorted(ascending, values - radii, side="left"), 1)
    return counts
