"""Correlations over the spots of a slide, one target at a time."""

import numpy as np
import numpy.typing as npt

from histobench import Float
from histobench_metrics.tables import Rows, is_constant, paired

__all__ = ["average_ranks", "concordance", "pearson", "pearson_or_zero", "spearman"]


def pearson(predicted: Float, observed: Float, /) -> Float:
    """Correlate prediction and observation over spots, one target at a time.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order; any unit, the result has none. Predictions are taken as they are: clipping
        them at zero, as some evaluation scripts do for other metrics, moves this score too.

    Returns
    -------
    (t,) float64 in [-1, 1]
        NaN where either side is constant, up to the rounding of its dtype, or has fewer than two spots: such a
        target has no correlation, and zero would be a claim.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.

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
    return np.where(undefined, np.nan, _correlate(left, right, undefined=undefined))


def pearson_or_zero(predicted: Float, observed: Float, /) -> Float:
    """Correlate prediction and observation, and give 0 where the prediction does not vary though the observation does.

    Leaving such targets out flatters a method that collapses on the hard ones (abundance protocol, section 8).

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order; any unit.

    Returns
    -------
    (t,) float64 in [-1, 1]
        NaN where the observation is constant, up to the rounding of its dtype, or has fewer than two spots.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    scores = pearson(predicted, observed)
    return np.where(is_constant(np.asarray(observed)), np.nan, np.nan_to_num(scores))


def spearman(predicted: Float, observed: Float, /) -> Float:
    """Correlate the ranks of prediction and observation over spots; ties share the mean of their ranks.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order; only their order matters.

    Returns
    -------
    (t,) float64 in [-1, 1]
        NaN where either side is constant, up to the rounding of its dtype, or has fewer than two spots.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.

    References
    ----------
    Spearman (1904), *Am. J. Psychol.* 15:72–101. The published abundance scripts clip predictions at zero first;
    here they stay as they are, as for Pearson, so that the two differ only by what they measure.
    """
    left, right = paired(predicted, observed)
    undefined = is_constant(np.asarray(predicted)) | is_constant(np.asarray(observed))
    return np.where(undefined, np.nan, _correlate(average_ranks(left), average_ranks(right), undefined=undefined))


def concordance(predicted: Float, observed: Float, /) -> Float:
    """Measure how near the points lie to the line of equality: correlation, less a shift or a stretch.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order, same unit.

    Returns
    -------
    (t,) float64 in [-1, 1]
        NaN where the observation is constant, up to the rounding of its dtype, or has fewer than two spots. A constant
        prediction scores 0: it agrees with nothing.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.

    References
    ----------
    Lin (1989), *Biometrics* 45:255–268: 2 s_xy / (s_x² + s_y² + (x̄ − ȳ)²), with population moments.
    """
    left, right = paired(predicted, observed)
    undefined = is_constant(np.asarray(observed)) | ~np.isfinite(left).all(axis=1)
    left, right = (np.where(undefined[:, None], 0.0, side) for side in (left, right))
    scale = np.maximum(_largest(left), _largest(right))
    left, right = left / scale, right / scale
    n = max(left.shape[1], 1)
    means = [side.sum(axis=1, keepdims=True) / n for side in (left, right)]
    one, other = left - means[0], right - means[1]
    spread = ((one**2).sum(axis=1) + (other**2).sum(axis=1)) / n + (means[0] - means[1])[:, 0] ** 2
    agreed = 2 * (one * other).sum(axis=1) / n / np.where(spread > 0, spread, 1.0)
    # where squares underflow beside a prediction that is larger by far, nothing agrees
    return np.where(undefined, np.nan, np.clip(agreed, -1.0, 1.0))


def average_ranks(values: Rows) -> Rows:
    """Rank the values of each row from 1; equal ones share the mean of their ranks.

    Parameters
    ----------
    values : (t, n) float64

    Returns
    -------
    (t, n) float64

    Examples
    --------
    >>> import numpy as np
    >>> average_ranks(np.array([[3.0, 1.0, 3.0]])).tolist()
    [[2.5, 1.0, 2.5]]
    """
    n = values.shape[1]
    order = np.argsort(values, axis=1)
    ascending = np.take_along_axis(values, order, axis=1)
    changes = ascending[:, 1:] != ascending[:, :-1]
    edge = np.ones((len(values), min(n, 1)), dtype=np.bool_)
    starts, ends = np.concatenate([edge, changes], axis=1), np.concatenate([changes, edge], axis=1)
    place = np.arange(n)
    first = np.maximum.accumulate(np.where(starts, place, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, place, n)[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty_like(values)
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, axis=1)
    return ranks


def _correlate(left: Rows, right: Rows, *, undefined: npt.NDArray[np.bool_]) -> Rows:
    # Undefined targets are blanked so that their NaN or infinite values meet no arithmetic.
    one, other = (_unit(np.where(undefined[:, None], 0.0, side)) for side in (left, right))
    products: Rows = (one * other).sum(axis=1)
    return np.clip(products, -1.0, 1.0)


def _unit(values: Rows) -> Rows:
    # Scaled before and after centring, so that neither a square nor a sum leaves the range of float64.
    scaled = values / _largest(values)
    centred = scaled - scaled.mean(axis=1, keepdims=True) if scaled.shape[1] else scaled
    centred = centred / _largest(centred)
    length: Rows = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    unit: Rows = centred / np.where(length > 0, length, 1.0)
    return unit


def _largest(values: Rows) -> Rows:
    largest: Rows = np.abs(values).max(axis=1, keepdims=True, initial=0.0)
    return np.where(largest > 0, largest, 1.0)
