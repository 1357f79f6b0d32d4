"""Whether generated patches are copies of training patches."""

import numpy as np

from histobench import Float, ScoreContext
from histobench_metrics.generative.columns import MEMORISATION
from histobench_metrics.generative.features import features_of
from histobench_metrics.tables import check_shapes

__all__ = ["memorisation"]

NEAR = 0.05
"""Share of real test patches that count as near to a training patch: the usual resemblance of new tissue."""

_FEWEST = 20


def memorisation(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Count generated patches that are nearer to a training patch than patches of new tissue are.

    Returns
    -------
    (3,) float64
        See `MEMORISATION`: by how much their share exceeds 5 %; the share that is nearer than the nearest 5 % of the
        real test patches; and the median distance of generated patches divided by that of real ones. Far below 1 are
        copies, far above 1 is not tissue. NaN with fewer than twenty spots.

    References
    ----------
    Meehan, Chaudhuri & Dasgupta (2020), *AISTATS*, 3546–3556: data are copied where generated samples are nearer to the
    training set than held-out ones.
    """
    check_shapes(predicted, observed)
    features = features_of(context)
    if len(features.nearest_real) < _FEWEST or not features.real.shape[1]:
        return np.full(len(MEMORISATION), np.nan)
    generated, real = features.nearest_generated.astype(np.float64), features.nearest_real.astype(np.float64)
    share = float((generated < np.quantile(real, NEAR)).mean())
    usual = float(np.median(real))
    ratio = float(np.median(generated)) / usual if usual > 0 else np.nan
    return np.array([max(share - NEAR, 0.0), share, ratio])
