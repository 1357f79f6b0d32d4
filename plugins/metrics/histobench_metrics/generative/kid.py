"""Kernel distance between generated and real patches, which is unbiased however few they are."""

import numpy as np

from histobench import Float, ScoreContext
from histobench_metrics.generative.columns import KERNEL
from histobench_metrics.generative.features import features_of
from histobench_metrics.places import by_place
from histobench_metrics.tables import Rows, check_shapes

__all__ = ["kernel_distance", "kid"]

SUBSETS, SUBSET_SIZE, SEED = 100, 500, 2020
"""Of the specification, section 1; with fewer patches a subset is all of them."""


def kid(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Measure the kernel distance of generated and real patches over random subsets.

    Returns
    -------
    (3,) float64
        See `KERNEL`: mean and population deviation over 100 subsets, and their size, at most 500. Unbiased, so it may
        be below zero. With fewer than 500 patches every subset is all of them and the deviation is zero, which does not
        mean that it is small. NaN with fewer than two spots.

    References
    ----------
    Bińkowski et al. (2018), *ICLR*.
    """
    check_shapes(predicted, observed)
    features = features_of(context)
    order = by_place(context)
    size = min(SUBSET_SIZE, len(order))
    if size < 2 or not features.real.shape[1]:
        return np.full(len(KERNEL), np.nan)
    mean, deviation = kernel_distance(features.generated[order], features.real[order], size=size)
    return np.array([mean, deviation, size])


def kernel_distance(
    generated: Float, real: Float, /, *, subsets: int = SUBSETS, size: int = SUBSET_SIZE, seed: int = SEED
) -> tuple[float, float]:
    """Average the unbiased squared maximum mean discrepancy over random subsets: mean and population deviation.

    Parameters
    ----------
    generated, real
        (n, d) and (m, d); rows are drawn without replacement, first from the generated, then from the real.
    size
        Rows of a subset, at least 2; at most all rows.
    """
    one, other = (np.asarray(side, dtype=np.float64) for side in (generated, real))
    size = min(size, len(one), len(other))
    if size == len(one) == len(other):  # every subset is the whole
        return _discrepancy(one, other), 0.0
    # the generator of the published scheme
    draw = np.random.RandomState(seed)
    found = []
    for _ in range(subsets):
        rows = draw.choice(len(one), size, replace=False)
        found.append(_discrepancy(one[rows], other[draw.choice(len(other), size, replace=False)]))
    return float(np.mean(found)), float(np.std(found))


def _discrepancy(one: Rows, other: Rows) -> float:
    n = len(one)
    with np.errstate(over="ignore", invalid="ignore"):
        alike = sum(
            (kernel.sum() - np.trace(kernel)) / (n * (n - 1)) for kernel in (_kernel(one, one), _kernel(other, other))
        )
        distance = float(alike - 2.0 * _kernel(one, other).mean())
    return distance if np.isfinite(distance) else float("nan")


def _kernel(one: Rows, other: Rows) -> Rows:
    kernel: Rows = (one @ other.T / one.shape[1] + 1.0) ** 3
    return kernel
