"""The losses of the protocol, section 5: (n, t) against (n, t) to one number."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from histobench.training import root_mean_square
from histobench_heads.foundation.options import Loss

__all__ = ["LOSSES", "one_minus_pearson"]


def one_minus_pearson(predicted: Tensor, observed: Tensor, /) -> Tensor:
    """Average 1 - r over targets; 1e-8 inside each root keeps a constant target at r = 0."""
    p = predicted - predicted.mean(dim=0)
    o = observed - observed.mean(dim=0)
    r = (p * o).sum(dim=0) / (torch.sqrt((p**2).sum(dim=0) + 1e-8) * torch.sqrt((o**2).sum(dim=0) + 1e-8))
    return (1 - r).mean()


LOSSES: dict[Loss, Callable[[Tensor, Tensor], Tensor]] = {
    "rmse": root_mean_square,
    "mse": functional.mse_loss,
    "l1": functional.l1_loss,
    "pearson": one_minus_pearson,
}
"""Loss by name."""
