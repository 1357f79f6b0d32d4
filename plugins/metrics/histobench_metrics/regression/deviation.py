"""How far predictions lie from observations, one target at a time."""

import numpy as np
import numpy.typing as npt

from histobench import Float
from histobench_metrics.tables import Rows, is_constant, paired

__all__ = ["mae", "nrmse", "r2", "rmse"]


def rmse(predicted: Float, observed: Float, /) -> Float:
    """Take the root of the mean squared error over spots, one target at a time.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order, same unit.

    Returns
    -------
    (t,) float64, in the targets' unit, at least 0
        NaN without spots. The root is taken per target, not over the whole table as the training losses do.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    left, right = paired(predicted, observed)
    if not left.shape[1]:
        return np.full(len(left), np.nan)
    error = np.abs(left - right)
    largest = error.max(axis=1)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)  # squares of large errors overflow
    score: Rows = np.sqrt(((error / scale[:, None]) ** 2).mean(axis=1)) * scale
    return score


def mae(predicted: Float, observed: Float, /) -> Float:
    """Take the mean absolute error over spots, one target at a time.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order, same unit.

    Returns
    -------
    (t,) float64, in the targets' unit, at least 0
        NaN without spots.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    left, right = paired(predicted, observed)
    if not left.shape[1]:
        return np.full(len(left), np.nan)
    score: Rows = np.abs(left - right).mean(axis=1)
    return score


def r2(predicted: Float, observed: Float, /) -> Float:
    """Take the share of the observed variance that the prediction explains, one target at a time.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order, same unit.

    Returns
    -------
    (t,) float64, at most 1
        Zero is what the slide's own mean would reach; negative is worse than that. NaN where the observation is
        constant, up to the rounding of its dtype, or has fewer than two spots: there is no variance to explain.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    undefined, lost = _lost(predicted, observed)
    explained: Rows = np.maximum(1.0 - lost, -np.finfo(np.float64).max)
    return np.where(undefined, np.nan, explained)


def nrmse(predicted: Float, observed: Float, /) -> Float:
    """Take the root mean squared error in units of the observed standard deviation over the slide's spots.

    Of the normalisers in use (range, mean, deviation) the deviation is taken: it depends on no single spot, and 1 is
    what the slide's own mean would reach.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order, same unit.

    Returns
    -------
    (t,) float64, at least 0
        NaN where the observation is constant, up to the rounding of its dtype, or has fewer than two spots.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.

    References
    ----------
    Moriasi et al. (2007), *Trans. ASABE* 50:885–900 (RSR), with the population's deviation: the root of 1 − R².
    """
    undefined, lost = _lost(predicted, observed)
    return np.where(undefined, np.nan, np.sqrt(np.minimum(lost, np.finfo(np.float64).max)))


def _lost(predicted: Float, observed: Float) -> tuple[npt.NDArray[np.bool_], Rows]:
    """Give the share of each target's observed variance that is missed, and where that means nothing."""
    left, right = paired(predicted, observed)
    undefined = is_constant(np.asarray(observed))
    left, right = (np.where(undefined[:, None], 0.0, side) for side in (left, right))
    centred = right - right.mean(axis=1, keepdims=True) if right.shape[1] else right
    largest = np.abs(centred).max(axis=1, initial=0.0)
    scale = np.where(largest > 0, largest, 1.0)[:, None]
    with np.errstate(over="ignore"):  # an error beyond the range of float64 is as bad as a number can say
        missed = (((left - right) / scale) ** 2).sum(axis=1)
        lost: Rows = missed / np.where(undefined, 1.0, ((centred / scale) ** 2).sum(axis=1))
    return undefined, lost
