"""Share of the observed variance that is explained, one target at a time: R², and the error normalised by it."""

import numpy as np
import numpy.typing as npt

from histobench import Float
from histobench_metrics.tables import Rows, is_constant, paired

__all__ = ["nrmse", "r2"]


def r2(predicted: Float, observed: Float, /) -> Float:
    """Return the share of the observed variance that the prediction explains, one target at a time.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order, same unit.

    Returns
    -------
    (t,) float64, at most 1
        0 is what the slide's own mean reaches; negative is worse. NaN where the observation is constant, up to the
        rounding of its dtype, or has fewer than two spots: there is no variance to explain.
    """
    undefined, lost = _lost(predicted, observed)
    explained: Rows = np.maximum(1.0 - lost, -np.finfo(np.float64).max)
    return np.where(undefined, np.nan, explained)


def nrmse(predicted: Float, observed: Float, /) -> Float:
    """Return the root mean squared error in units of the observed standard deviation over the slide's spots.

    Range, mean and standard deviation are all in use as normalisers. We take the standard deviation: it depends on no
    single spot, and 1 is what the slide's own mean reaches.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order, same unit.

    Returns
    -------
    (t,) float64, at least 0
        NaN where the observation is constant, up to the rounding of its dtype, or has fewer than two spots.

    References
    ----------
    Moriasi et al. (2007), *Trans. ASABE* 50:885–900 (RSR), with the population deviation: the root of 1 − R².
    """
    undefined, lost = _lost(predicted, observed)
    return np.where(undefined, np.nan, np.sqrt(np.minimum(lost, np.finfo(np.float64).max)))


def _lost(predicted: Float, observed: Float) -> tuple[npt.NDArray[np.bool_], Rows]:
    """Return where the score is undefined, and the share of each target's observed variance that is missed."""
    left, right = paired(predicted, observed)
    undefined = is_constant(np.asarray(observed))
    left, right = (np.where(undefined[:, None], 0.0, side) for side in (left, right))
    centred = right - right.mean(axis=1, keepdims=True) if right.shape[1] else right
    largest = np.abs(centred).max(axis=1, initial=0.0)
    scale = np.where(largest > 0, largest, 1.0)[:, None]
    with np.errstate(over="ignore"):  # an error beyond the range of float64 becomes infinite
        missed = (((left - right) / scale) ** 2).sum(axis=1)
        lost: Rows = missed / np.where(undefined, 1.0, ((centred / scale) ** 2).sum(axis=1))
    return undefined, lost
