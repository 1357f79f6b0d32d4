"""ZINB against the worked values of its specification (specs/hist2scrna.md section 12) and against SciPy."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from histobench_heads.frames.zinb import Zinb, hist2st_nb_loss, nb_log_likelihood, published_zinb_loss, zinb_loss

pytestmark = pytest.mark.reference

# μ, θ, π, y -> negative log-likelihood
VALUES = [
    ((2, 1, 0.5, 0), 0.40546511),
    ((2, 1, 0.5, 3), 3.00815479),
    ((5, 2, 0.3, 0), 1.02961942),
    ((5, 2, 0.3, 7), 3.13806500),
    ((0.5, 0.8, 0.9, 1), 3.86964634),
    ((100, 2, 0.1, 0), 2.29913086),
    ((100, 2, 0.1, 250), 7.39421567),
]


def _tensors(*numbers: float, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    return [torch.tensor([[number]], dtype=dtype) for number in numbers]


def _zinb(mean: Tensor, dispersion: Tensor, zero: Tensor) -> Zinb:
    return Zinb(mean.log(), dispersion.log(), zero.logit())


@pytest.mark.parametrize(("given", "expected"), VALUES)
def test_the_stable_form_has_the_worked_values(given: tuple[float, ...], expected: float) -> None:
    mean, dispersion, zero, counts = _tensors(*given)
    assert zinb_loss(counts, _zinb(mean, dispersion, zero)).item() == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(("given", "expected"), VALUES)
def test_the_published_form_has_the_worked_values(given: tuple[float, ...], expected: float) -> None:
    mean, dispersion, zero, counts = _tensors(*given)
    assert published_zinb_loss(counts, mean, dispersion, zero).item() == pytest.approx(expected, abs=1e-7)


def test_in_single_precision_only_the_stable_form_keeps_a_large_count() -> None:
    """expression_protocol.md section 7.1: published 7.394301 where 7.394216 is exact."""
    mean, dispersion, zero, counts = _tensors(100, 2, 0.1, 250, dtype=torch.float32)
    stable = zinb_loss(counts, _zinb(mean, dispersion, zero)).item()
    published = published_zinb_loss(counts, mean, dispersion, zero).item()
    assert [stable, published] == pytest.approx([7.394216, 7.394301], abs=2e-6)


def test_nb_agrees_with_scipy() -> None:
    draw = np.random.default_rng(0)
    mean, dispersion = draw.gamma(1.0, 10.0, (50, 4)), draw.gamma(1.0, 2.0, (50, 4))
    counts = draw.poisson(mean)
    ours = nb_log_likelihood(*(torch.from_numpy(part) for part in (counts, np.log(mean), np.log(dispersion))))
    theirs = stats.nbinom.logpmf(counts, dispersion, dispersion / (dispersion + mean))
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-9, atol=1e-9)


def test_hist2st_nb_is_the_same_likelihood_in_other_parameters() -> None:
    """With r = θ and odds μ/θ; without ln y!, as published."""
    draw = torch.Generator().manual_seed(0)
    log_mean, log_size = torch.randn(2, 6, 3, generator=draw, dtype=torch.float64)
    counts = torch.poisson(log_mean.exp(), generator=draw)
    exact = (nb_log_likelihood(counts, log_mean, log_size) + torch.lgamma(counts + 1)).sum(dim=1).mean()
    assert hist2st_nb_loss(counts, log_size, log_mean - log_size).item() == pytest.approx(-exact.item())
