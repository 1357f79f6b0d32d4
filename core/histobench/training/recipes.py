"""How a module is optimised: optimiser and schedule, as the published protocols set them."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

__all__ = ["Recipe", "make_optimiser", "make_schedule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a module is optimised; the schedule steps once an epoch.

    Attributes
    ----------
    schedule
        ``onecycle``: cosine one-cycle over all epochs, a tenth of ``lr`` to ``lr`` in the first fifth and to a
        hundredth at the end, momentum cycled; constant if there are fewer than four epochs. ``cosine``: to a tenth of
        ``lr`` in 20 epochs and back. ``step``: times 0.9 every 50 epochs. ``constant``.
    accumulate
        Batches whose gradients are summed into one optimiser step.
    patience
        Epochs without a better validation score after which training stops; ``None`` trains them all.
    """

    epochs: int
    lr: float
    optimiser: Literal["adam", "sgd"] = "adam"
    weight_decay: float = 0.0
    schedule: Literal["onecycle", "cosine", "step", "constant"] = "constant"
    accumulate: int = 1
    patience: int | None = None


def make_optimiser(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Make the optimiser of what a module trains."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(parameters, lr=recipe.lr, momentum=0.9, weight_decay=recipe.weight_decay)
    # L2 added to the gradient, as published; not AdamW
    return torch.optim.Adam(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)


def make_schedule(optimiser: torch.optim.Optimizer, recipe: Recipe) -> torch.optim.lr_scheduler.LRScheduler:
    """Make the schedule, to be stepped once an epoch."""
    schedules = torch.optim.lr_scheduler
    if recipe.schedule == "onecycle" and recipe.epochs >= 4:
        # a fifth of the epochs to warm up, but never less than two: torch divides by zero with one
        warm_up = max(0.2, 2 / recipe.epochs)
        return schedules.OneCycleLR(
            optimiser, recipe.lr, total_steps=recipe.epochs, pct_start=warm_up, div_factor=10, final_div_factor=10
        )
    if recipe.schedule == "cosine":
        return schedules.CosineAnnealingLR(optimiser, T_max=20, eta_min=0.1 * recipe.lr)
    if recipe.schedule == "step":
        return schedules.StepLR(optimiser, step_size=50, gamma=0.9)
    return schedules.ConstantLR(optimiser, factor=1.0)
