"""Fréchet distance between generated and real patches, and how much of it is due to their number."""

import numpy as np
from scipy import linalg

from histobench import Float, ScoreContext
from histobench_metrics.generative.columns import FRECHET
from histobench_metrics.generative.features import features_of
from histobench_metrics.places import by_place
from histobench_metrics.tables import Rows, check_shapes

__all__ = ["fid", "frechet_distance"]

_STEPS = 3
_DRAWS = 8
_SEED = 2020


def fid(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Measure the Fréchet distance of generated and real patches, and show its bias for few patches.

    Returns
    -------
    (4,) float64
        See `FRECHET`: of all n patches; of half of them; extrapolated to infinitely many, which may be below zero; and
        of one half of the real patches against the other, what a perfect generator reaches at half of n. The distance
        is biased upwards by about c / n, where c depends on generator and features, so values at another n or with
        other features do not compare. NaN with fewer than four spots; with two or three the first is defined.

    References
    ----------
    Heusel et al. (2017), *NeurIPS* 30; Chong & Forsyth (2020), *CVPR*, 6070–6079: linear in 1/n. They vary the number
    of generated images only, with a large reference; here the real patches are as few, and both sides are halved.
    """
    check_shapes(predicted, observed)
    features = features_of(context)
    order = by_place(context)
    generated, real = (side[order].astype(np.float64) for side in (features.generated, features.real))
    n = len(real)
    if n < 4 or not real.shape[1]:
        whole = frechet_distance(generated, real) if real.shape[1] else np.nan
        return np.array([whole, *[np.nan] * (len(FRECHET) - 1)])
    draw = np.random.default_rng(_SEED)
    sizes = np.unique(np.round(n / np.linspace(1.0, 2.0, _STEPS)).astype(int))[::-1]
    by_size = [_of_size(generated, real, size=size, draw=draw) for size in sizes]
    parted = draw.permutation(n)
    floor = frechet_distance(real[parted[: n // 2]], real[parted[n // 2 :]])
    extrapolated = np.polyfit(1.0 / sizes, by_size, 1)[1]
    return np.array([by_size[0], by_size[-1], extrapolated, floor])


def frechet_distance(generated: Float, real: Float, /, *, ddof: int = 1) -> float:
    """Measure the Fréchet distance between the Gaussians fitted to two sets.

    Parameters
    ----------
    generated, real
        (n, d) and (m, d).
    ddof
        Covariances are divided by n - ddof.

    Returns
    -------
    float, at least 0
        ‖μ - ν‖² + tr Σ + tr Ω - 2 tr (Σ Ω)^½, NaN with fewer than two patches on a side. With Σ = AᵀA and Ω = BᵀB the
        last trace is the sum of the singular values of A Bᵀ. The eigenvalues of Σ Ω are their squares, but lose half
        the digits, and need d × d where n is smaller.
    """
    if min(len(generated), len(real)) <= max(ddof, 1):
        return float("nan")
    one, other = (_root(side, ddof=ddof) for side in (generated, real))
    shift = ((generated.mean(axis=0) - real.mean(axis=0)) ** 2).sum()
    crossed = linalg.svdvals(one @ other.T).sum()
    distance = float(shift + (one**2).sum() + (other**2).sum() - 2.0 * crossed)
    return max(distance, 0.0) if np.isfinite(distance) else float("nan")


def _of_size(generated: Rows, real: Rows, *, size: int, draw: np.random.Generator) -> float:
    n = len(real)
    if size == n:
        return frechet_distance(generated, real)
    drawn = [(draw.permutation(n)[:size], draw.permutation(n)[:size]) for _ in range(_DRAWS)]
    return float(np.mean([frechet_distance(generated[one], real[other]) for one, other in drawn]))


def _root(values: Float, *, ddof: int) -> Rows:
    """Return A, (min(n, d), d), with AᵀA the covariance of (n, d)."""
    centred = (values - values.mean(axis=0)) / np.sqrt(len(values) - ddof)
    if len(centred) <= centred.shape[1]:
        return np.asarray(centred, dtype=np.float64)
    root: Rows = linalg.qr(centred, mode="r")[0][: centred.shape[1]]
    return root
