"""Likelihoods of counts: probabilities add up, gradients stay finite, parameters are what they say."""

import pytest
import torch
from torch import Tensor

from histobench_heads.frames.zinb import Zinb, hist2st_zinb, published_zinb_loss, zinb_log_likelihood, zinb_loss


def _drawn(n: int = 8, *, dtype: torch.dtype = torch.float64) -> Zinb:
    draw = torch.Generator().manual_seed(0)
    return Zinb(*torch.randn(3, n, 1, generator=draw, dtype=dtype))


def _samples(zinb: Zinb, n: int) -> Tensor:
    mean, dispersion, zero = zinb.parameters()
    draw = torch.Generator().manual_seed(1)
    rates = torch.distributions.Gamma(dispersion, dispersion / mean)
    torch.manual_seed(1)
    counts = torch.poisson(rates.sample((n,)), generator=draw)
    return counts * (torch.rand(counts.shape, generator=draw, dtype=counts.dtype) >= zero)


def test_probabilities_of_all_counts_add_up_to_one() -> None:
    zinb = _drawn()
    counts = torch.arange(3000.0, dtype=torch.float64)
    likelihood = zinb_log_likelihood(counts.expand(8, -1), Zinb(*(part.expand(-1, 3000) for part in zinb)))
    torch.testing.assert_close(likelihood.exp().sum(dim=1), torch.ones(8, dtype=torch.float64), rtol=0, atol=1e-5)


def test_the_mean_is_that_of_drawn_counts() -> None:
    zinb = Zinb(*(torch.tensor([[value]], dtype=torch.float64) for value in (1.5, 0.7, -0.5)))
    assert _samples(zinb, 100_000).mean().item() == pytest.approx(zinb.mean().item(), rel=0.02)


def test_an_offset_multiplies_the_mean_and_leaves_the_rest() -> None:
    zinb = _drawn()
    twice = zinb.offset(torch.full((8, 1), 2.0, dtype=torch.float64).log())
    torch.testing.assert_close(twice.mean(), 2 * zinb.mean())
    assert twice.log_dispersion is zinb.log_dispersion


@pytest.mark.parametrize("count", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("size", [-200.0, 0.0, 200.0])
def test_loss_and_gradients_are_finite_whatever_a_head_says(count: float, size: float) -> None:
    given = [torch.full((2, 2), sign * size, requires_grad=True) for sign in (1, -1, 1)]
    loss = zinb_loss(torch.full((2, 2), count), Zinb(*given))
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(part.grad).all() for part in given)


def test_the_published_form_overflows_where_the_stable_one_does_not() -> None:
    zinb = Zinb(torch.tensor([[100.0]]), torch.tensor([[0.0]]), torch.tensor([[0.0]]))
    counts = torch.tensor([[3.0]])
    assert not torch.isfinite(published_zinb_loss(counts, *zinb.parameters()))
    assert torch.isfinite(zinb_loss(counts, zinb))


def test_both_forms_have_the_same_gradients() -> None:
    counts = torch.tensor([[0.0], [0.0], [1.0], [2.0], [5.0], [0.0], [9.0], [30.0]], dtype=torch.float64)
    stable = Zinb(*(part.requires_grad_() for part in _drawn()))
    published = Zinb(*(part.detach().clone().requires_grad_() for part in stable))
    zinb_loss(counts, stable).backward()
    published_zinb_loss(counts, *published.parameters()).backward()
    for ours, theirs in zip(stable, published, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-6, atol=1e-9)


def test_hist2st_clamps_its_parameters() -> None:
    wild = torch.tensor([[-1e4, 0.0, 1e5]], dtype=torch.float64)
    mean, dispersion, zero = hist2st_zinb(wild, wild, wild).parameters()
    torch.testing.assert_close(mean, torch.tensor([[1e-5, 1.0, 1e6]], dtype=torch.float64), rtol=1e-5, atol=0)
    torch.testing.assert_close(dispersion[0, [0, 2]], torch.tensor([1e-4, 1e4], dtype=torch.float64))
    assert dispersion[0, 1].item() == pytest.approx(0.693147, abs=1e-6)
    torch.testing.assert_close(zero, torch.tensor([[0.0, 0.5, 1.0]], dtype=torch.float64))
