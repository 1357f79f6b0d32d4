"""The kernel distance between generated and real patches, which few of them do not bias."""

import numpy as np

from histobench import Float, ScoreContext
from histobench_metrics.generative.columns import KERNEL
from histobench_metrics.generative.features import given
from histobench_metrics.places import by_place
from histobench_metrics.tables import Rows, check_shapes

__all__ = ["kernel_distance", "kernel_of_patches"]

SUBSETS, SUBSET_SIZE, SEED = 100, 500, 2020
"""Of the specification, section 1; the size is the smaller of this and the patches there are."""


def kernel_of_patches(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Measure the kernel distance of generated and real patches over random subsets.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Not read: the features are.
    context
        With the features of generated and real patches.

    Returns
    -------
    (3,) float64
        See `KERNEL`: mean and population deviation over 100 subsets, and their size, at most 500. Unbiased, so it may
        be below zero. With fewer than 500 patches every subset is all of them and the deviation is zero, not small. NaN
        with fewer than two spots.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    DataError
        Without features.

    References
    ----------
    Bińkowski et al. (2018), *ICLR*.
    """
    check_shapes(predicted, observed)
    features = given(context)
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
        (n, d) and (m, d); of each some rows are drawn without replacement, first of the generated, then of the real.
    size
        Rows of a subset, at least 2; no more than there are are taken.
    """
    one, other = (np.asarray(side, dtype=np.float64) for side in (generated, real))
    size = min(size, len(one), len(other))
    if size == len(one) == len(other):  # every subset is the whole
        return _discrepancy(one, other), 0.0
    # the published scheme names this generator
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
