"""Each generated patch beside its own prompt and the real patch of the same spot."""

import numpy as np
from scipy.special import logsumexp

from histobench import Float, ScoreContext
from histobench_metrics.generative.columns import CLIP_SCORES, ENTROPIES
from histobench_metrics.generative.features import given
from histobench_metrics.places import by_place
from histobench_metrics.retrieval.directions import paired_cosine, unit_rows
from histobench_metrics.tables import Rows, check_shapes

__all__ = ["clip_score", "contrastive_entropy", "cross_entropies", "published_contrastive_entropy"]

BATCH = 256
"""Patches among which the right one is to be told (generative metrics, section 1); fewer where a slide has fewer."""

TEMPERATURE = 0.07
"""Of cosines, as contrastive training starts with (Radford et al. 2021, section 2.5)."""

_SEED = 2020
_ROUNDING = 1e-6


def clip_score(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Compare each generated patch with its prompt in the method's own shared space.

    The method is its own judge here: within one method the score of a prompt and of another's say something, between
    methods nothing.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Not read: the features are.
    context
        With the features of generated patches.

    Returns
    -------
    (5,) float64
        See `CLIP_SCORES`. The last is the cosine of the prompts with the real patches of their spots, which bounds what
        a generator can gain by drawing tissue: one that exceeds it draws for the judge. NaN for a method without such a
        space, and there for one that does not place real patches in it.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    DataError
        Without features.

    References
    ----------
    Hessel et al. (2021), *EMNLP*, 7514–7528, without their factor of 2.5 and without cutting at zero.
    """
    check_shapes(predicted, observed)
    features = given(context)
    if features.image is None or features.expression is None:
        return np.full(len(CLIP_SCORES), np.nan)
    bound = np.nan if features.real_image is None else paired_cosine(features.real_image, features.expression)[0]
    return np.append(paired_cosine(features.image, features.expression), bound)


def contrastive_entropy(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Tell the real patch of a generated one's spot from those of other spots, by cosine at temperature 0.07.

    Cosines are taken about the mean of the real patches: features of patches all point one way otherwise.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Not read: the features are.
    context
        With the features of generated and real patches.

    Returns
    -------
    (3,) float64, at least 0
        See `ENTROPIES`: against the real patch, against what the real patch is similar to, and what a generator that
        tells nothing reaches, the logarithm of the batch. NaN with fewer than two spots.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    DataError
        Without features.
    """
    return _entropies(predicted, observed, context, normalise=True)


def published_contrastive_entropy(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Tell the real patch of a generated one's spot from others by raw products, as published: (3,) of (n, t) tables.

    A longer vector wins there whatever its direction. NaN with fewer than two spots.
    """
    return _entropies(predicted, observed, context, normalise=False)


def cross_entropies(generated: Float, real: Float, /) -> tuple[float, float]:
    """Take the mean cross-entropy of softmax(Q Rᵀ) against the diagonal, and against softmax(R Rᵀ).

    Parameters
    ----------
    generated, real
        (n, d) float64 each, scaled as wanted: Q and R.
    """
    logits, alike = generated @ real.T, real @ real.T
    told = logits - logsumexp(logits, axis=1, keepdims=True)
    wanted = np.exp(alike - logsumexp(alike, axis=1, keepdims=True))
    return float(-np.diagonal(told).mean()), float(-(wanted * told).sum(axis=1).mean())


def _entropies(predicted: Float, observed: Float, context: ScoreContext, *, normalise: bool) -> Rows:
    check_shapes(predicted, observed)
    features = given(context)
    n, d = features.real.shape
    size = min(BATCH, n)
    if size < 2 or not d:
        return np.full(len(ENTROPIES), np.nan)
    # at random, for spots that follow each other in a table lie side by side
    order = by_place(context)[np.random.default_rng(_SEED).permutation(n)]
    generated, real = (side[order].astype(np.float64) for side in (features.generated, features.real))
    if normalise:
        generated, real = (_directions(side, real) for side in (generated, real))
    batches = [slice(start, start + size) for start in range(0, n - size + 1, size)]  # the last, partial one is dropped
    with np.errstate(over="ignore", invalid="ignore"):
        hard, soft = np.mean([cross_entropies(generated[rows], real[rows]) for rows in batches], axis=0)
    scores = np.array([hard, soft, np.log(size)])
    return np.where(np.isfinite(scores), scores, np.nan)


def _directions(values: Rows, real: Rows) -> Rows:
    """Give the directions of values from the middle of the real ones; what lies there has none."""
    centred = values - real.mean(axis=0)
    amid = np.abs(centred).max(axis=1) < _ROUNDING * np.abs(real).max()
    # both sides by its root, so that products are divided by the temperature
    directions: Rows = unit_rows(np.where(amid[:, None], 0.0, centred)) / np.sqrt(TEMPERATURE)
    return directions
