"""Lin's concordance correlation over the spots of a slide, one target at a time."""

import numpy as np

from histobench import Float
from histobench_metrics.tables import is_constant, largest_of, paired

__all__ = ["concordance"]


def concordance(predicted: Float, observed: Float, /) -> Float:
    """Measure how close the points are to the line of equality: correlation, reduced by shifts and changes of scale.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Same spots in the same order, same unit.

    Returns
    -------
    (t,) float64 in [-1, 1]
        NaN where the observation is constant, up to the rounding of its dtype, or has fewer than two spots. A constant
        prediction scores 0.

    References
    ----------
    Lin (1989), *Biometrics* 45:255–268: 2 s_xy / (s_x² + s_y² + (x̄ − ȳ)²), with population moments.
    """
    left, right = paired(predicted, observed)
    undefined = is_constant(np.asarray(observed)) | ~np.isfinite(left).all(axis=1)
    left, right = (np.where(undefined[:, None], 0.0, side) for side in (left, right))
    scale = np.maximum(largest_of(left), largest_of(right))
    left, right = left / scale, right / scale
    n = max(left.shape[1], 1)
    means = [side.sum(axis=1, keepdims=True) / n for side in (left, right)]
    one, other = left - means[0], right - means[1]
    spread = ((one**2).sum(axis=1) + (other**2).sum(axis=1)) / n + (means[0] - means[1])[:, 0] ** 2
    # squares may underflow next to a prediction that is far larger; then the score is 0
    agreed = 2 * (one * other).sum(axis=1) / n / np.where(spread > 0, spread, 1.0)
    return np.where(undefined, np.nan, np.clip(agreed, -1.0, 1.0))
