"""Negative binomial likelihoods of counts, plain (NB) and zero-inflated (ZINB), for every head that predicts counts.

NB has mean μ and variance μ + μ²/θ; ZINB adds a zero with probability π, so that its mean is (1 - π)μ. Written from
``expression_protocol.md`` section 7.1, ``hist2scrna.md`` section 7 and ``hist2st.md`` (loss and head 10) only.

The stable form takes the outputs of linear layers, ln μ, ln θ and the logit of π, and never takes the logarithm of an
exponential. The published form takes μ, θ and π themselves and guards every logarithm with 1e-10; the two agree to six
digits wherever the published one does not overflow.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "Zinb",
    "hist2st_nb_loss",
    "hist2st_zinb",
    "nb_log_likelihood",
    "published_zinb_loss",
    "zinb_log_likelihood",
    "zinb_loss",
]

_EPS = 1e-10  # hist2scrna and hist2st, their ZINB alike
_LOG_MEAN = 15.0  # exp overflows in the published form; 3.3 million counts are enough
_LOG_DISPERSION = 10.0  # beyond, the difference of two log-gammas is lost in float32
_MOST_COUNTS, _TAIL = 5_000, 1e-4


class Zinb(NamedTuple):
    """Zero-inflated negative binomials, one per entry, as a head predicts them.

    Attributes
    ----------
    log_mean, log_dispersion, zero_logit
        (n, t) ln μ and ln θ of the counts that are not structurally zero, and the logit of π.
    """

    log_mean: Tensor
    log_dispersion: Tensor
    zero_logit: Tensor

    def clamped(self) -> "Zinb":
        """Keep ln μ within ±15 and ln θ within ±10, beyond which float32 loses the likelihood."""
        return Zinb(
            self.log_mean.clamp(-_LOG_MEAN, _LOG_MEAN),
            self.log_dispersion.clamp(-_LOG_DISPERSION, _LOG_DISPERSION),
            self.zero_logit,
        )

    def offset(self, log_factor: Tensor) -> "Zinb":
        """Multiply every mean: ``log_factor``, (n, 1), is ln of the spot's library size or size factor."""
        return self._replace(log_mean=self.log_mean + log_factor)

    def parameters(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return μ, θ and π, each (n, t)."""
        return self.log_mean.exp(), self.log_dispersion.exp(), self.zero_logit.sigmoid()

    def mean(self) -> Tensor:
        """Return the mean of the counts, zeros included: (n, t) (1 - π)μ."""
        return torch.exp(self.log_mean - functional.softplus(self.zero_logit))

    def expected(self, function: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the mean of a function of the counts, (n, t) float64, by summing over the distribution.

        Parameters
        ----------
        function
            Elementwise, smooth, growing more slowly than the counts. The far tail, less than 1e-4 of all or beyond
            5,000 counts, is taken at its mean.
        """
        mean, dispersion, zero = (part.double() for part in self.clamped().parameters())
        odds = mean / (mean + dispersion)
        probability = torch.exp(
            -dispersion * torch.log1p(mean / dispersion)
        )  # of zero counts, then of one more in each turn
        total, seen, moment = torch.zeros_like(mean), torch.zeros_like(mean), torch.zeros_like(mean)
        for count in range(_MOST_COUNTS):
            now = torch.full((), float(count), dtype=mean.dtype, device=mean.device)
            total, seen, moment = total + probability * function(now), seen + probability, moment + probability * count
            probability = probability * odds * (count + dispersion) / (count + 1)
            # the first probability of a large mean is too small for a number: all of it is tail, at its mean
            if count % 16 == 15 and bool(((1 - seen < _TAIL) | (probability == 0)).all()):
                break
        left = (1 - seen).clamp(min=1e-12)
        tail = (mean - moment).clamp(min=0) / left
        total = total + left * function(tail)
        return zero * function(torch.zeros_like(mean)) + (1 - zero) * total


def nb_log_likelihood(counts: Tensor, log_mean: Tensor, log_dispersion: Tensor) -> Tensor:
    """Return the elementwise ln NB of (n, t) counts, float64; both parameters of the same shape."""
    # in double: in single precision the log-gammas of 250 counts cancel to four decimals
    counts, log_mean, log_dispersion = counts.double(), log_mean.double(), log_dispersion.double()
    dispersion = log_dispersion.exp()
    combinations = torch.lgamma(counts + dispersion) - torch.lgamma(dispersion) - torch.lgamma(counts + 1)
    zero = -dispersion * functional.softplus(log_mean - log_dispersion)  # ln NB(0)
    return combinations + zero - counts * functional.softplus(log_dispersion - log_mean)


def zinb_log_likelihood(counts: Tensor, zinb: Zinb) -> Tensor:
    """Return the elementwise ln ZINB of (n, t) counts, float64, with parameters clamped as `Zinb.clamped` does."""
    log_mean, log_dispersion, zero_logit = (part.double() for part in zinb.clamped())
    nb = nb_log_likelihood(counts, log_mean, log_dispersion)
    # both branches are finite everywhere, so that neither spoils the other's gradient
    zero = torch.logaddexp(zero_logit, -log_dispersion.exp() * functional.softplus(log_mean - log_dispersion))
    return torch.where(counts > 0, nb, zero) - functional.softplus(zero_logit)


def zinb_loss(counts: Tensor, zinb: Zinb) -> Tensor:
    """Average the negative log-likelihood over all (n, t) counts, in the precision of the parameters."""
    return -zinb_log_likelihood(counts, zinb).mean().to(zinb.log_mean.dtype)


def published_zinb_loss(counts: Tensor, mean: Tensor, dispersion: Tensor, zero: Tensor) -> Tensor:
    """Average the negative log-likelihood as hist2scRNA and Hist2ST write it; not finite where exp has overflowed.

    Parameters
    ----------
    counts, mean, dispersion, zero
        (n, t) counts, μ, θ and π; Hist2ST gives μ times the spot's size factor.
    """
    dispersion = dispersion.clamp(min=_EPS)
    combinations = torch.lgamma(dispersion + _EPS) + torch.lgamma(counts + 1) - torch.lgamma(counts + dispersion + _EPS)
    powers = (dispersion + counts) * torch.log(1 + mean / (dispersion + _EPS))
    powers = powers + counts * (torch.log(dispersion + _EPS) - torch.log(mean + _EPS))
    present = combinations + powers - torch.log(1 - zero + _EPS)
    nothing = (dispersion / (dispersion + mean + _EPS)) ** dispersion
    absent = -torch.log(zero + (1 - zero) * nothing + _EPS)
    # Hist2ST takes counts up to 1e-8 for zero, hist2scRNA below 1e-10: of whole numbers the same
    return torch.where(counts < _EPS, absent, present).mean()


def hist2st_zinb(mean: Tensor, dispersion: Tensor, zero: Tensor) -> Zinb:
    """Turn the outputs of Hist2ST's three linear layers, (n, t) each, into its clamped parameters.

    μ is exp kept within 1e-5 … 1e6, θ softplus kept within 1e-4 … 1e4, and π the sigmoid.
    """
    log_mean = mean.clamp(torch.tensor(1e-5).log().item(), torch.tensor(1e6).log().item())
    return Zinb(log_mean, functional.softplus(dispersion).clamp(1e-4, 1e4).log(), zero)


def hist2st_nb_loss(counts: Tensor, log_size: Tensor, log_odds: Tensor) -> Tensor:
    """Average over spots Hist2ST's negative NB log-likelihood, summed over genes and without its constant ln y!.

    Parameters
    ----------
    counts, log_size, log_odds
        (n, t) counts, ln r and the logit of the success probability.
    """
    size = log_size.exp()
    likelihood = torch.lgamma(size + counts) - torch.lgamma(size) + log_odds * counts
    return -(likelihood - functional.softplus(log_odds) * (counts + size)).sum(dim=1).mean()
