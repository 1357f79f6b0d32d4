"""Expression read off generated patches, compared with what is read off real ones."""

import numpy as np

from histobench import Float, ScoreContext
from histobench_metrics.generative.features import features_of
from histobench_metrics.regression.pearson import pearson
from histobench_metrics.tables import check_shapes, nan_mean, over_targets

__all__ = ["conditional_ceiling"]


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
        For the generated and the real patches: means over targets of Pearson's correlation over spots. The real patches
        show what the reader can see at all; a generator that exceeds them shows expression more plainly than tissue
        does. NaN where no target varies on both sides.
    """
    check_shapes(predicted, observed)
    read = (predicted, features_of(context).read_real)
    return np.array([nan_mean(over_targets(pearson, side, observed)) for side in read])
