"""What is read off generated patches beside what is read off real ones, and whether they are copies."""

import numpy as np

from histobench import Float, ScoreContext
from histobench_metrics.generative.columns import MEMORISATION
from histobench_metrics.generative.features import given
from histobench_metrics.regression.correlation import pearson
from histobench_metrics.tables import check_shapes, nan_mean, over_targets

__all__ = ["conditional_ceiling", "memorisation"]

NEAR = 0.05
"""Share of real test patches that count as near to a training patch: what resemblance is usual on new tissue."""

_FEWEST = 20


def conditional_ceiling(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Correlate the prompt with the expression read off the generated patches, and off the real ones.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Expression read off the generated patches, and of the prompts.
    context
        With the expression read off the real patches.

    Returns
    -------
    (2,) float64 in [-1, 1]
        Off the generated and the real patches: means over targets of Pearson's correlation over spots. The reader sees
        in real patches what can be seen at all; a generator that exceeds it paints expression more plainly than tissue
        does. NaN where no target varies on both sides.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    DataError
        Without features.
    """
    check_shapes(predicted, observed)
    read = (predicted, given(context).read_real)
    return np.array([nan_mean(over_targets(pearson, side, observed)) for side in read])


def memorisation(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Count generated patches that lie nearer to a training patch than patches of new tissue do.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Not read: the features are.
    context
        With the distances of generated and real patches to the nearest training patch.

    Returns
    -------
    (3,) float64
        See `MEMORISATION`: by how much their share exceeds 5 %; the share, nearer than the nearest 5 % of the real test
        patches; and the median distance of generated patches in that of real ones, where far below 1 are copies and far
        above it no tissue. NaN with fewer than twenty spots.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    DataError
        Without features.

    References
    ----------
    Meehan, Chaudhuri & Dasgupta (2020), *AISTATS*, 3546–3556: data are copied where generated samples lie nearer to the
    training set than held-out ones.
    """
    check_shapes(predicted, observed)
    features = given(context)
    if len(features.nearest_real) < _FEWEST or not features.real.shape[1]:
        return np.full(len(MEMORISATION), np.nan)
    generated, real = features.nearest_generated.astype(np.float64), features.nearest_real.astype(np.float64)
    share = float((generated < np.quantile(real, NEAR)).mean())
    usual = float(np.median(real))
    ratio = float(np.median(generated)) / usual if usual > 0 else np.nan
    return np.array([max(share - NEAR, 0.0), share, ratio])
