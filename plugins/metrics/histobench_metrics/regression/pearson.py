"""Pearson correlation over the spots of a slide, one target at a time."""

import numpy as np
import numpy.typing as npt

from histobench import Float
from histobench_metrics.tables import Rows, is_constant, largest_of, paired

__all__ = ["correlate_rows", "pearson", "pearson_or_zero"]


def pearson(predicted: Float, observed: Float, /) -> Float:
    """Correlate prediction and observation over spots, one target at a time.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order; any unit, the result has none. Predictions are not clipped: clipping them at
        zero, as some evaluation scripts do for other metrics, changes this score too.

    Returns
    -------
    (t,) float64 in [-1, 1]
        NaN where either side is constant, up to the rounding of its dtype, or has fewer than two spots. Such a target
        has no correlation; zero would be a claim.

    References
    ----------
    Pearson (1895), *Proc. R. Soc. Lond.* 58:240–242.

    Examples
    --------
    >>> import numpy as np
    >>> pearson(np.array([[0.0], [1.0], [2.0]]), np.array([[1.0], [3.0], [5.0]])).round(6).tolist()
    [1.0]
    """
    left, right = paired(predicted, observed)
    undefined = is_constant(np.asarray(predicted)) | is_constant(np.asarray(observed))
    return np.where(undefined, np.nan, correlate_rows(left, right, undefined=undefined))


def pearson_or_zero(predicted: Float, observed: Float, /) -> Float:
    """Correlate prediction and observation; return 0 where the observation varies but the prediction does not.

    Leaving such targets out favours a method that predicts constants for the hard ones (abundance protocol, section 8).

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order; any unit.

    Returns
    -------
    (t,) float64 in [-1, 1]
        NaN where the observation is constant, up to the rounding of its dtype, or has fewer than two spots.
    """
    scores = pearson(predicted, observed)
    return np.where(is_constant(np.asarray(observed)), np.nan, np.nan_to_num(scores))


def correlate_rows(left: Rows, right: Rows, *, undefined: npt.NDArray[np.bool_]) -> Rows:
    """Correlate (t, n) tables row by row: (t,), 0 for rows that are marked as undefined."""
    # undefined rows are set to zero, so that their NaN or infinite values enter no arithmetic
    one, other = (_unit(np.where(undefined[:, None], 0.0, side)) for side in (left, right))
    products: Rows = (one * other).sum(axis=1)
    return np.clip(products, -1.0, 1.0)


def _unit(values: Rows) -> Rows:
    # scaled before and after centring, so that neither a square nor a sum leaves the range of float64
    scaled = values / largest_of(values)
    centred = scaled - scaled.mean(axis=1, keepdims=True) if scaled.shape[1] else scaled
    centred = centred / largest_of(centred)
    length: Rows = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    unit: Rows = centred / np.where(length > 0, length, 1.0)
    return unit
