"""The training loop: epochs, steps, selection, reports."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from histobench.contracts.protocols import FitContext
from histobench.errors import DataError
from histobench.training.checkpoints import Fitted, Progress
from histobench.training.randomness import seeded
from histobench.training.recipes import Recipe, make_optimiser, make_schedule, step_schedule

__all__ = ["Batch", "Step", "fit_module", "make_fabric"]

Batch: TypeAlias = Any  # Any: whatever the method's own batches and step agree on
Step: TypeAlias = Callable[[nn.Module, Batch], Mapping[str, Tensor]]
"""Returns named scalars; ``"loss"`` is what is minimised, the others are only reported."""


def fit_module(
    module: nn.Module,
    step: Step,
    batches: Callable[[int], Iterable[Batch]],
    *,
    recipe: Recipe,
    context: FitContext,
    validate: Callable[[nn.Module], float] | None = None,
) -> Fitted:
    """Train a module in place and leave it in evaluation mode with the selected weights.

    Parameters
    ----------
    batches
        Takes the epoch, from 0, and yields its batches on the CPU; must depend on the epoch and the seed alone.
    validate
        Scores the module, in evaluation mode, on validation slides: higher is better, NaN never wins. The first
        epoch with the highest score is kept (Hist2Cell, CUCA); without ``validate`` the last epoch is.

    Raises
    ------
    DataError
        If an epoch has no batches or a loss is not finite.
    """
    fabric = make_fabric(context)
    optimiser = make_optimiser(module, recipe)
    progress = Progress(module=module, optimiser=optimiser, schedule=make_schedule(optimiser, recipe))
    wrapped, wrapped_optimiser = fabric.setup(module, optimiser)
    progress.load(context)
    history = progress.fitted.history
    for epoch, numbers in enumerate(history):
        context.report(epoch, numbers)  # of the killed attempt
    for epoch in range(len(history), recipe.epochs):
        if _out_of_patience(progress.fitted, recipe):
            break
        with seeded(context.seed, epoch):
            wrapped.train()
            numbers = _train_epoch(fabric, wrapped, wrapped_optimiser, step, batches(epoch), recipe)
        numbers["lr"] = optimiser.param_groups[0]["lr"]
        if validate is not None:
            wrapped.eval()
            with torch.no_grad():
                numbers["val_score"] = validate(module)
            progress.offer(epoch, numbers["val_score"])
        if epoch + 1 < recipe.epochs:
            step_schedule(progress.schedule, numbers.get("val_score", -numbers["loss"]))
        history.append(numbers)
        context.report(epoch, numbers)
        progress.save(context)
    return progress.choose()


def _train_epoch(
    fabric: Fabric,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    step: Step,
    batches: Iterable[Batch],
    recipe: Recipe,
) -> dict[str, float]:
    totals: dict[str, float] = {}
    count = 0
    for count, batch in enumerate(batches, start=1):
        losses = step(module, fabric.to_device(batch))
        fabric.backward(losses["loss"] / recipe.accumulate)
        if count % recipe.accumulate == 0:
            _update(fabric, module, optimiser, recipe)
        for name, value in losses.items():
            totals[name] = totals.get(name, 0.0) + float(value.detach())
    if not count:
        raise DataError("there is no batch to train on: fewer training spots than one batch holds.")
    if count % recipe.accumulate:
        _update(fabric, module, optimiser, recipe)
    means = {name: total / count for name, total in totals.items()}
    if not math.isfinite(means["loss"]):
        raise DataError(f"training diverged: the mean loss of an epoch is {means['loss']}; lower the learning rate.")
    return means


def _update(fabric: Fabric, module: nn.Module, optimiser: torch.optim.Optimizer, recipe: Recipe) -> None:
    if recipe.clip is not None:
        # a gradient that is not finite comes with a loss that is not, for which our message is clearer
        fabric.clip_gradients(module, optimiser, max_norm=recipe.clip, error_if_nonfinite=False)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def _out_of_patience(fitted: Fitted, recipe: Recipe) -> bool:
    waited = len(fitted.history) - 1 - fitted.best_epoch
    return recipe.patience is not None and fitted.best_epoch >= 0 and waited >= recipe.patience


def make_fabric(context: FitContext) -> Fabric:
    """Return the Fabric for the device of a fit."""
    kind, _, index = context.device.partition(":")
    return Fabric(accelerator=kind, devices=[int(index)] if index else 1, precision=context.precision)
