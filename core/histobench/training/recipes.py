"""How a module is optimised: optimiser and schedule, as the published protocols set them."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

__all__ = ["Recipe", "make_optimiser", "make_schedule", "step_schedule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a module is optimised; the schedule steps once an epoch.

    Attributes
    ----------
    optimiser
        ``adam``, with weight decay added to the gradient; ``adamw``, with decoupled weight decay; ``sgd``, with
        momentum 0.9.
    schedule
        ``onecycle``: cosine one-cycle over all epochs, a tenth of ``lr`` to ``lr`` in the first fifth and to a
        hundredth at the end, momentum cycled; constant if there are fewer than four epochs. ``cosine``: to a tenth of
        ``lr`` in 20 epochs and back. ``step``: times ``decay`` every ``decay_epochs`` epochs. ``plateau``: times
        ``decay`` once more than ``decay_epochs`` epochs in a row bring no better validation score; without validation
        slides the training loss is watched. ``constant``.
    decay, decay_epochs
        For ``step`` and ``plateau``.
    accumulate
        Batches whose gradients are summed into one optimiser step.
    clip
        Largest norm of the gradient of all parameters together; a larger one is scaled down to it.
    patience
        Epochs without a better validation score after which training stops; ``None`` trains them all.
    """

    epochs: int
    lr: float
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    weight_decay: float = 0.0
    schedule: Literal["onecycle", "cosine", "step", "plateau", "constant"] = "constant"
    decay: float = 0.9
    decay_epochs: int = 50
    accumulate: int = 1
    clip: float | None = None
    patience: int | None = None


def make_optimiser(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the optimiser of a module's trainable parameters."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(parameters, lr=recipe.lr, momentum=0.9, weight_decay=recipe.weight_decay)
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)
    # L2 added to the gradient, as published; not AdamW
    return torch.optim.Adam(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)


def make_schedule(optimiser: torch.optim.Optimizer, recipe: Recipe) -> torch.optim.lr_scheduler.LRScheduler:
    """Return the schedule, which `step_schedule` steps once an epoch."""
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
        return schedules.StepLR(optimiser, step_size=recipe.decay_epochs, gamma=recipe.decay)
    if recipe.schedule == "plateau":
        # torch's default threshold is a share of the best score, which has the wrong sign for a negative loss
        return schedules.ReduceLROnPlateau(
            optimiser,
            mode="max",
            factor=recipe.decay,
            patience=recipe.decay_epochs,
            threshold=1e-4,
            threshold_mode="abs",
        )
    return schedules.ConstantLR(optimiser, factor=1.0)


def step_schedule(schedule: torch.optim.lr_scheduler.LRScheduler, score: float) -> None:
    """End an epoch; only the ``plateau`` schedule uses its score (higher is better)."""
    if isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
        schedule.step(score)
    else:
        schedule.step()
