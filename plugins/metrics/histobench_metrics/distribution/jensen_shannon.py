"""Jensen–Shannon distance and divergence of two distributions of one target over the spots of a slide."""

import math

import numpy as np
import numpy.typing as npt

from histobench import Float
from histobench_metrics.tables import Rows, paired

__all__ = [
    "distance_with_offset", "distance_without_offset", "distributions", "jensen_shannon_distance",
    "jensen_shannon_divergence", "squared_with_offset",
]  # fmt: skip

LARGEST = math.log(2)
"""The divergence of two distributions that share no spot, in nats."""

OFFSET = 1e-8
"""Added to every spot before normalising (abundance protocol, section 8)."""


def jensen_shannon_distance(predicted: Float, observed: Float, /) -> Float:
    """Return the Jensen–Shannon *distance*, the root of the divergence, of each target's distribution over spots.

    It compares where on the slide a target is found, not how much of it there is, nor the composition of a spot.

    Parameters
    ----------
    predicted : (n, t) float32
        Clipped at zero: a distribution has no negative mass.
    observed : (n, t) float32, at least 0

    Returns
    -------
    (t,) float64 in [0, sqrt(ln 2)], 0.8326
        With natural logarithms. NaN where the observation has no mass or is negative somewhere, and with fewer than
        two spots, over which any two distributions agree. A prediction without mass counts as spread evenly.

    References
    ----------
    Lin (1991), *IEEE Trans. Inf. Theory* 37:145–151. With p and q the two columns + 1e-8, each normalised to sum 1,
    and m = (p + q) / 2: sqrt(½ Σ p ln(p/m) + ½ Σ q ln(q/m)), as CUCA's evaluation per slide defines it. CUCA's
    figures per split square the value, which this function never does.

    Examples
    --------
    >>> import numpy as np
    >>> jensen_shannon_distance(np.array([[0.0], [1.0], [2.0], [3.0]]), np.ones((4, 1))).round(6).tolist()
    [0.339208]
    """
    return np.sqrt(jensen_shannon_divergence(predicted, observed))


def jensen_shannon_divergence(predicted: Float, observed: Float, /) -> Float:
    """Return the Jensen–Shannon *divergence*, the square of the distance: (t,) float64 in [0, ln 2] of (n, t) tables.

    Predictions are clipped at zero. NaN where `jensen_shannon_distance` is NaN.

    References
    ----------
    Lin (1991), *IEEE Trans. Inf. Theory* 37:145–151.
    """
    p, q, defined = distributions(predicted, observed)
    middle = (p + q) / 2
    divergence = (p * np.log(p / middle) + q * np.log(q / middle)).sum(axis=1) / 2
    return np.where(defined, np.clip(divergence, 0.0, LARGEST), np.nan)


def squared_with_offset(predicted: Float, observed: Float, /) -> Float:
    """Square SciPy's Jensen–Shannon distance of two (n, t) tables + 1e-8: CUCA's figure per split, (t,) float64.

    A target without mass counts as spread evenly, and one spot scores 0.
    """
    return _scipys(predicted, observed, offset=OFFSET)


def distance_with_offset(predicted: Float, observed: Float, /) -> Float:
    """Return SciPy's Jensen–Shannon distance of two (n, t) tables + 1e-8: CUCA's figure per slide, (t,) float64."""
    return np.sqrt(_scipys(predicted, observed, offset=OFFSET))


def distance_without_offset(predicted: Float, observed: Float, /) -> Float:
    """Return SciPy's Jensen–Shannon distance of two (n, t) tables: Hist2Cell's figure, (t,), NaN without mass."""
    return _scipys(predicted, observed, offset=0.0) ** 0.5


def _scipys(predicted: Float, observed: Float, *, offset: float) -> Rows:
    left, right = paired(predicted, observed)
    if not left.shape[1]:
        return np.full(len(left), np.nan)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):  # SciPy returns NaN too
        p, q = ((side + offset) / (side + offset).sum(axis=1, keepdims=True) for side in (left, right))
        middle = (p + q) / 2
        terms = [np.where(side > 0, side * np.log(side / middle), np.where(side == 0, 0.0, np.nan)) for side in (p, q)]
    divergence: Rows = np.clip((terms[0] + terms[1]).sum(axis=1) / 2, 0.0, LARGEST)
    return divergence


def distributions(predicted: Float, observed: Float) -> tuple[Rows, Rows, npt.NDArray[np.bool_]]:
    """Return the (t, n) predicted and observed distributions over spots, and where they are defined, (t,)."""
    left, right = paired(predicted, observed)
    sound = np.isfinite(left).all(axis=1) & np.isfinite(right).all(axis=1)
    defined = sound & (right.min(axis=1, initial=np.inf) >= 0) & (right.max(axis=1, initial=0.0) > 0)
    defined &= left.shape[1] > 1
    mass = np.where(defined[:, None], np.maximum(left, 0.0), 1.0), np.where(defined[:, None], right, 1.0)
    if not left.shape[1]:
        return left, right, defined
    return _distribution(mass[0]), _distribution(mass[1]), defined


def _distribution(mass: Rows) -> Rows:
    lifted = mass + OFFSET
    lifted = lifted / lifted.max(axis=1, keepdims=True)
    # the smallest positive number keeps 0 · ln 0 = 0 where the offset is lost next to a huge value
    shares: Rows = np.maximum(lifted / lifted.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return shares
