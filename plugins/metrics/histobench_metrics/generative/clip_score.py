"""Cosine of each generated patch and its prompt in the method's own space."""

import numpy as np

from histobench import Float, ScoreContext
from histobench_metrics.generative.columns import CLIP_SCORES
from histobench_metrics.generative.features import features_of
from histobench_metrics.retrieval.paired_cosine import paired_cosine
from histobench_metrics.tables import check_shapes

__all__ = ["clip_score"]


def clip_score(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Compare each generated patch with its prompt in the method's own shared space.

    The method is its own judge here: prompts of one method can be compared, methods cannot.

    Returns
    -------
    (5,) float64
        See `CLIP_SCORES`. The last is the cosine of the prompts with the real patches of their spots, which bounds what
        a generator can gain by drawing tissue: a higher score is drawn for the judge. NaN for a method without such a
        space; the last also for one that does not embed real patches in it.

    References
    ----------
    Hessel et al. (2021), *EMNLP*, 7514–7528, without their factor of 2.5 and without cutting at zero.
    """
    check_shapes(predicted, observed)
    features = features_of(context)
    if features.image is None or features.expression is None:
        return np.full(len(CLIP_SCORES), np.nan)
    bound = np.nan if features.real_image is None else paired_cosine(features.real_image, features.expression)[0]
    return np.append(paired_cosine(features.image, features.expression), bound)
