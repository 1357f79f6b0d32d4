"""Image precision, recall, density and coverage: whether generated patches are where real ones are, and the reverse.

The manifold of a set is the union of balls around its members. The radius of a ball is the distance to the k-th nearest
other member.
"""

from collections.abc import Iterator

import numpy as np

from histobench import Float, ScoreContext
from histobench_metrics.generative.features import features_of
from histobench_metrics.tables import BLOCK, Rows, check_shapes

__all__ = [
    "image_coverage", "image_density", "image_precision", "image_recall", "manifold_coverage", "manifold_density",
    "manifold_share",
]  # fmt: skip

K_IMPROVED, K_NAEEM = 3, 5
"""Neighbours as published: Kynkäänniemi et al. (2019), section 3; Naeem et al. (2020), section 5."""

_ROUNDING = 1e-9
"""Tolerance, relative to the largest square: distances of equal patches must be equal however they are computed."""


def image_precision(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Return the share of generated patches in the manifold of the real ones, k = 3: (1,) of (n, t) tables.

    NaN with fewer than five spots.

    References
    ----------
    Kynkäänniemi et al. (2019), *NeurIPS* 32.
    """
    generated, real = _sides(predicted, observed, context)
    return np.array([manifold_share(generated, real, k=K_IMPROVED)])


def image_recall(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Return the share of real patches in the manifold of the generated ones, k = 3: (1,) of (n, t) tables.

    NaN with fewer than five spots.

    References
    ----------
    Kynkäänniemi et al. (2019), *NeurIPS* 32.
    """
    generated, real = _sides(predicted, observed, context)
    return np.array([manifold_share(real, generated, k=K_IMPROVED)])


def image_density(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Return how many real balls, k = 5, contain a generated patch, in units of k: (1,) of (n, t) tables.

    Other real patches would reach 1. NaN with fewer than seven spots.

    References
    ----------
    Naeem et al. (2020), *ICML*, 7176–7185.
    """
    generated, real = _sides(predicted, observed, context)
    return np.array([manifold_density(generated, real, k=K_NAEEM)])


def image_coverage(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Return the share of real balls, k = 5, that contain a generated patch: (1,) of (n, t) tables.

    NaN with fewer than seven spots.

    References
    ----------
    Naeem et al. (2020), *ICML*, 7176–7185.
    """
    generated, real = _sides(predicted, observed, context)
    return np.array([manifold_coverage(generated, real, k=K_NAEEM)])


def manifold_share(points: Rows, manifold: Rows, /, *, k: int) -> float:
    """Return the share of (n, d) points in at least one ball of an (m, d) manifold; its surface is inside."""
    if len(manifold) < k + 2 or not manifold.shape[1]:
        return float("nan")
    reach, slack = _radii(manifold, k=k)
    inside = [(part <= reach + slack).any(axis=1) for part in _squares(points, manifold)]
    return float(np.concatenate(inside).mean()) if inside else float("nan")


def manifold_density(generated: Rows, real: Rows, /, *, k: int) -> float:
    """Average over (n, d) generated points how many balls of (m, d) real ones contain them, in units of k.

    A ball contains what is nearer than its radius, so that a set has density 1 in itself.
    """
    if len(real) < k + 2 or not real.shape[1]:
        return float("nan")
    reach, slack = _radii(real, k=k)
    inside = sum([int((part < reach - slack).sum()) for part in _squares(generated, real)])
    return inside / (k * len(generated)) if len(generated) else float("nan")


def manifold_coverage(generated: Rows, real: Rows, /, *, k: int) -> float:
    """Return the share of (m, d) real points with one of (n, d) generated ones nearer than their k-th neighbour."""
    if len(real) < k + 2 or not real.shape[1] or not len(generated):
        return float("nan")
    reach, slack = _radii(real, k=k)
    covered = np.zeros(len(real), dtype=np.bool_)
    for part in _squares(generated, real):
        covered |= (part < reach - slack).any(axis=0)
    return float(covered.mean())


def _sides(predicted: Float, observed: Float, context: ScoreContext) -> tuple[Rows, Rows]:
    check_shapes(predicted, observed)
    features = features_of(context)
    real = features.real.astype(np.float64)
    centre = real.mean(axis=0) if len(real) else 0.0  # distances keep more digits around the centre
    return features.generated - centre, real - centre


def _radii(points: Rows, *, k: int) -> tuple[Rows, float]:
    """Return the squared distance of (m, d) points to their k-th nearest other, and the rounding of such squares."""
    squares = [np.partition(part, k, axis=1)[:, k] for part in _squares(points, points)]  # itself comes first
    return np.concatenate(squares), _ROUNDING * float((points**2).sum(axis=1).max())


def _squares(points: Rows, others: Rows) -> Iterator[Rows]:
    """Yield the squared distances of (n, d) points to (m, d) others, some points at a time."""
    lengths = (others**2).sum(axis=1)
    step = max(1, BLOCK // max(len(others), 1))
    for start in range(0, len(points), step):
        some = points[start : start + step]
        yield (some**2).sum(axis=1, keepdims=True) + lengths - 2.0 * (some @ others.T)
