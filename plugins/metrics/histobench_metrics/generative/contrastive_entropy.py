"""Cross-entropy of finding each generated patch's real one among others."""

import numpy as np
from scipy.special import logsumexp

from histobench import Float, ScoreContext
from histobench_metrics.generative.columns import ENTROPIES
from histobench_metrics.generative.features import features_of
from histobench_metrics.places import by_place
from histobench_metrics.retrieval.paired_cosine import unit_rows
from histobench_metrics.tables import Rows, check_shapes

__all__ = ["contrastive_entropy", "cross_entropies", "published_contrastive_entropy"]

BATCH = 256
"""Patches among which the right one is searched (generative metrics, section 1); fewer where a slide has fewer."""

TEMPERATURE = 0.07
"""Of cosines, as contrastive training starts with (Radford et al. 2021, section 2.5)."""

_SEED = 2020
_ROUNDING = 1e-6


def contrastive_entropy(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Find the real patch of a generated one's spot among those of other spots, by cosine at temperature 0.07.

    Cosines are taken around the mean of the real patches, because features of patches otherwise all point one way.

    Returns
    -------
    (3,) float64, at least 0
        See `ENTROPIES`: against the real patch, against the similarities of the real patch, and what a generator
        without information reaches, the logarithm of the batch. NaN with fewer than two spots.
    """
    return _entropies(predicted, observed, context, normalise=True)


def published_contrastive_entropy(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Find the real patch by raw products, as published: (3,) float64, see `ENTROPIES`.

    Longer vectors win whatever their direction. NaN with fewer than two spots.
    """
    return _entropies(predicted, observed, context, normalise=False)


def cross_entropies(generated: Float, real: Float, /) -> tuple[float, float]:
    """Return the mean cross-entropy of softmax(Q Rᵀ) against the diagonal, and against softmax(R Rᵀ).

    Parameters
    ----------
    generated, real
        (n, d) float64 each, already scaled: Q and R.
    """
    logits, alike = generated @ real.T, real @ real.T
    found = logits - logsumexp(logits, axis=1, keepdims=True)
    wanted = np.exp(alike - logsumexp(alike, axis=1, keepdims=True))
    return float(-np.diagonal(found).mean()), float(-(wanted * found).sum(axis=1).mean())


def _entropies(predicted: Float, observed: Float, context: ScoreContext, *, normalise: bool) -> Rows:
    check_shapes(predicted, observed)
    features = features_of(context)
    n, d = features.real.shape
    size = min(BATCH, n)
    if size < 2 or not d:
        return np.full(len(ENTROPIES), np.nan)
    # at random, because spots that follow each other in a table are adjacent
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
    """Return the directions of values from the mean of the real ones; a value at the mean has none."""
    centred = values - real.mean(axis=0)
    amid = np.abs(centred).max(axis=1) < _ROUNDING * np.abs(real).max()
    # each side is divided by its root, so that products are divided by the temperature
    directions: Rows = unit_rows(np.where(amid[:, None], 0.0, centred)) / np.sqrt(TEMPERATURE)
    return directions
