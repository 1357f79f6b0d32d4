"""The loss and the selection rule that published methods share."""

import torch
from torch import Tensor

__all__ = ["mean_pearson", "root_mean_square"]


def root_mean_square(predicted: Tensor, observed: Tensor, /) -> Tensor:
    """Compute one root over all entries: sqrt(mean((predicted - observed)²)), as CUCA prints its RMSE loss."""
    return torch.sqrt(torch.mean((predicted - observed) ** 2))


def mean_pearson(predicted: Tensor, observed: Tensor, /) -> float:
    """Average Pearson's r over the targets for which it is defined; NaN if there is none.

    The selection rule of CUCA and Hist2Cell: (n, t) against (n, t), spots pooled over the validation slides.
    """
    p = predicted.double() - predicted.double().mean(dim=0)
    o = observed.double() - observed.double().mean(dim=0)
    r = (p * o).sum(dim=0) / torch.sqrt((p**2).sum(dim=0) * (o**2).sum(dim=0))
    defined = torch.isfinite(r) & ~_is_constant(predicted) & ~_is_constant(observed)
    return float(torch.nanmean(torch.where(defined, r, torch.nan)))


def _is_constant(values: Tensor) -> Tensor:
    """Return which columns vary by rounding alone: a correlation with noise must not select an epoch."""
    spread = values.amax(dim=0) - values.amin(dim=0)
    return spread <= 8 * torch.finfo(torch.float32).eps * values.abs().amax(dim=0)
