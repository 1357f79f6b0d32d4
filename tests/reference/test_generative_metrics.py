"""Fréchet and kernel distances against torchmetrics and torch-fidelity on the same features, to the last digits."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kid_features_to_metric
from torchmetrics.image.fid import _compute_fid

from histobench_metrics.generative.fid import frechet_distance
from histobench_metrics.generative.kid import kernel_distance

pytestmark = pytest.mark.reference

DRAW = np.random.default_rng(0)
MIX = DRAW.normal(size=(24, 24))
REAL = DRAW.normal(size=(300, 24))
GENERATED = (DRAW.normal(size=(260, 24)) @ MIX) * 0.3 + 0.2


def _theirs(one, other):
    moments = [part for side in (one, other) for part in (side.mean(axis=0), np.cov(side.T))]
    return float(_compute_fid(*(torch.from_numpy(part) for part in moments)))


def test_frechet_distance_is_torchmetrics():
    assert frechet_distance(GENERATED, REAL) == pytest.approx(_theirs(GENERATED, REAL), rel=1e-6)


def test_frechet_distance_is_torchmetrics_with_fewer_patches_than_features():
    few = frechet_distance(GENERATED[:10], REAL[:15])
    assert few == pytest.approx(_theirs(GENERATED[:10], REAL[:15]), rel=1e-5)


@pytest.mark.parametrize(("subsets", "size"), [(100, 50), (30, 200)])
def test_kernel_distance_is_torch_fidelitys(subsets, size):
    theirs = kid_features_to_metric(
        torch.from_numpy(GENERATED),
        torch.from_numpy(REAL),
        kid_subsets=subsets,
        kid_subset_size=size,
        rng_seed=2020,
        verbose=False,
    )
    mean, deviation = kernel_distance(GENERATED, REAL, subsets=subsets, size=size)
    assert mean == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)
    assert deviation == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-9)
