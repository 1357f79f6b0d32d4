"""How far two distributions of one target over the spots of a slide lie apart."""

import numpy as np

from histobench import Float
from histobench_metrics.tables import Rows, paired

__all__ = ["OFFSET", "jensen_shannon_distance"]

OFFSET = 1e-8
"""Added to every spot before normalising (abundance protocol, section 8)."""


def jensen_shannon_distance(predicted: Float, observed: Float, /) -> Float:
    """Take the Jensen–Shannon *distance*, the root of the divergence, of each target's distribution over spots.

    It compares where on the slide a target lies, not how much of it there is, nor the composition of a spot.

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

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.

    References
    ----------
    Lin (1991), *IEEE Trans. Inf. Theory* 37:145–151. With p and q the two columns + 1e-8, each normalised to sum 1,
    and m = (p + q) / 2: sqrt(½ Σ p ln(p/m) + ½ Σ q ln(q/m)), as CUCA's evaluation per slide defines it; its figures
    per split square the value, which this function never does.

    Examples
    --------
    >>> import numpy as np
    >>> jensen_shannon_distance(np.array([[0.0], [1.0], [2.0], [3.0]]), np.ones((4, 1))).round(6).tolist()
    [0.339208]
    """
    left, right = paired(predicted, observed)
    if left.shape[1] < 2:
        return np.full(len(left), np.nan)
    sound = np.isfinite(left).all(axis=1) & np.isfinite(right).all(axis=1)
    defined = sound & (right.min(axis=1) >= 0) & (right.max(axis=1) > 0)
    p = _distribution(np.where(defined[:, None], np.maximum(left, 0.0), 0.0))
    q = _distribution(np.where(defined[:, None], right, 0.0))
    middle = (p + q) / 2
    divergence = (p * np.log(p / middle) + q * np.log(q / middle)).sum(axis=1) / 2
    distance: Rows = np.where(defined, np.sqrt(np.maximum(divergence, 0.0)), np.nan)
    return distance


def _distribution(mass: Rows) -> Rows:
    lifted = mass + OFFSET
    lifted = lifted / lifted.max(axis=1, keepdims=True)
    # the smallest positive number keeps 0 · ln 0 = 0 where the offset is lost beside a huge value
    shares: Rows = np.maximum(lifted / lifted.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return shares
