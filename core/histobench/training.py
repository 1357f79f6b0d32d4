"""The one training loop, on Lightning Fabric, short enough to read.

A method brings a module, its batches and ``step(module, batch)``, which returns named losses; the loop owns devices,
precision, accumulation, schedules, selection on validation slides, early stopping, checkpoints and resume.

Randomness has one source, ``context.seed``: every epoch reseeds torch from (seed, epoch) inside a fork of its
generator, so that a fit resumed after a kill takes the very steps that an uninterrupted one would, and nobody else's
generator is touched.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from histobench.contracts import FitContext
from histobench.data import Int
from histobench.errors import DataError

__all__ = [
    "Fitted",
    "Recipe",
    "Step",
    "fit_module",
    "generator",
    "load_weights",
    "mean_pearson",
    "root_mean_square",
    "save_weights",
    "seeded",
    "shuffled",
]

Batch: TypeAlias = Any  # Any: whatever the method's own batches and step agree on
Step: TypeAlias = Callable[[nn.Module, Batch], Mapping[str, Tensor]]
"""Returns named scalars; ``"loss"`` is what is minimised, the others are only reported."""

CHECKPOINT_SECONDS = 5.0
"""Least time between two checkpoints; how often they are written never changes a number."""

_CHECKPOINT = "epoch.ckpt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a module is optimised; the schedule steps once an epoch.

    Attributes
    ----------
    schedule
        ``onecycle``: cosine one-cycle over all epochs, a tenth of ``lr`` to ``lr`` in the first fifth and to a
        hundredth at the end, momentum cycled. ``cosine``: to a tenth of ``lr`` in 20 epochs and back.
        ``step``: times 0.9 every 50 epochs. ``constant``.
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


@dataclass(slots=True, kw_only=True)
class Fitted:
    """What a fit went through: numbers per epoch, and the epoch whose weights were kept."""

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1
    best_score: float = -math.inf


def fit_module(
    module: nn.Module,
    step: Step,
    batches: Callable[[int], Iterable[Batch]],
    *,
    recipe: Recipe,
    context: FitContext,
    validate: Callable[[nn.Module], float] | None = None,
) -> Fitted:
    """Train a module in place and leave it in evaluation mode with the weights that were selected.

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
    fabric = _fabric(context)
    optimiser = _optimiser(module, recipe)
    schedule = _schedule(optimiser, recipe)
    wrapped, wrapped_optimiser = fabric.setup(module, optimiser)
    fitted, best = Fitted(), _Best()
    first = _resume(context, module, optimiser, schedule, fitted, best)
    for epoch, numbers in enumerate(fitted.history):
        context.report(epoch, numbers)  # of the attempt that was killed
    for epoch in range(first, recipe.epochs):
        if _out_of_patience(fitted, recipe):
            break
        with seeded(context.seed, epoch):
            wrapped.train()
            numbers = _train_epoch(fabric, wrapped, wrapped_optimiser, step, batches(epoch), recipe)
        numbers["lr"] = optimiser.param_groups[0]["lr"]
        if epoch + 1 < recipe.epochs:
            schedule.step()
        if validate is not None:
            wrapped.eval()
            with torch.no_grad():
                numbers["val_score"] = validate(module)
            best.offer(module, numbers["val_score"], epoch, fitted)
        fitted.history.append(numbers)
        context.report(epoch, numbers)
        _checkpoint(context, module, optimiser, schedule, fitted, best)
    if best.state is not None:
        module.load_state_dict(best.state, strict=False)
    else:
        fitted.best_epoch = len(fitted.history) - 1
    module.eval()
    return fitted


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
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        for name, value in losses.items():
            totals[name] = totals.get(name, 0.0) + float(value.detach())
    if not count:
        raise DataError("there is no batch to train on: fewer training spots than one batch holds.")
    if count % recipe.accumulate:
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    means = {name: total / count for name, total in totals.items()}
    if not math.isfinite(means["loss"]):
        raise DataError(f"training diverged: the mean loss of an epoch is {means['loss']}; lower the learning rate.")
    return means


class _Best:
    """The weights of the best epoch so far, on the CPU."""

    def __init__(self) -> None:
        self.state: dict[str, Tensor] | None = None

    def offer(self, module: nn.Module, score: float, epoch: int, fitted: Fitted) -> None:
        if score > fitted.best_score:
            fitted.best_score, fitted.best_epoch = score, epoch
            self.state = {name: tensor.cpu().clone() for name, tensor in _trained(module).items()}


def _out_of_patience(fitted: Fitted, recipe: Recipe) -> bool:
    waited = len(fitted.history) - 1 - fitted.best_epoch
    return recipe.patience is not None and fitted.best_epoch >= 0 and waited >= recipe.patience


def _fabric(context: FitContext) -> Fabric:
    kind, _, index = context.device.partition(":")
    return Fabric(accelerator=kind, devices=[int(index)] if index else 1, precision=context.precision)


def _optimiser(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    parameters = [p for p in module.parameters() if p.requires_grad]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(parameters, lr=recipe.lr, momentum=0.9, weight_decay=recipe.weight_decay)
    # L2 added to the gradient, as published; not AdamW
    return torch.optim.Adam(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)


def _schedule(optimiser: torch.optim.Optimizer, recipe: Recipe) -> torch.optim.lr_scheduler.LRScheduler:
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


def _checkpoint(
    context: FitContext,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    fitted: Fitted,
    best: _Best,
) -> None:
    if context.resume is None:
        return
    path = context.resume / _CHECKPOINT
    if path.exists() and _seconds_since(path) < CHECKPOINT_SECONDS:
        return
    context.resume.mkdir(parents=True, exist_ok=True)
    state = {
        "module": _trained(module),
        "optimiser": optimiser.state_dict(),
        "schedule": schedule.state_dict(),
        "history": fitted.history,
        "best": [fitted.best_epoch, fitted.best_score],
        "best_state": best.state,
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def _resume(
    context: FitContext,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    fitted: Fitted,
    best: _Best,
) -> int:
    path = None if context.resume is None else context.resume / _CHECKPOINT
    if path is None or not path.exists():
        return 0
    try:
        state = torch.load(path, map_location=context.device, weights_only=True)
    except (EOFError, OSError, RuntimeError, UnpicklingError):
        return 0  # a checkpoint only saves time: without it the same steps are taken again
    _restore(module, state["module"], path)
    optimiser.load_state_dict(state["optimiser"])
    schedule.load_state_dict(state["schedule"])
    fitted.history = state["history"]
    fitted.best_epoch, fitted.best_score = state["best"]
    best.state = state["best_state"]
    return len(fitted.history)


def _seconds_since(path: Path) -> float:
    return time.time() - path.stat().st_mtime


@contextmanager
def seeded(seed: int, *key: int) -> Iterator[None]:
    """Draw from torch's generators, seeded from (seed, *key), and put them back as they were afterwards."""
    state = np.random.SeedSequence(seed, spawn_key=key).generate_state(2, np.uint32)
    devices = list(range(torch.cuda.device_count()))
    with (
        torch.random.fork_rng(devices=devices),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
    ):
        torch.manual_seed(int(state[0]) << 32 | int(state[1]))
        yield


def generator(seed: int, *key: int) -> np.random.Generator:
    """Make numpy's generator for (seed, *key)."""
    # as a spawn key: SeedSequence([7]) and SeedSequence([7, 0]) are the same stream
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def shuffled(n: int, batch: int, *, seed: int, epoch: int, drop_last: bool) -> Iterator[Int]:
    """Yield the rows of each batch of one epoch in a random order that (seed, epoch) decides.

    With ``drop_last`` an incomplete last batch is left out, unless it is the only one.
    """
    order = generator(seed, epoch).permutation(n)
    for start in range(0, n, batch):
        rows = order[start : start + batch]
        if drop_last and len(rows) < batch and start:
            return
        yield rows


def root_mean_square(predicted: Tensor, observed: Tensor, /) -> Tensor:
    """Compute one root over all entries: sqrt(mean((predicted - observed)²)), as CUCA prints its RMSE loss."""
    return torch.sqrt(torch.mean((predicted - observed) ** 2))


def mean_pearson(predicted: Tensor, observed: Tensor, /) -> float:
    """Average Pearson's r over targets, leaving out targets without one; NaN if there is none at all.

    The selection rule of CUCA and Hist2Cell: (n, t) against (n, t), spots pooled over the validation slides.
    """
    p = predicted.double() - predicted.double().mean(dim=0)
    o = observed.double() - observed.double().mean(dim=0)
    r = (p * o).sum(dim=0) / torch.sqrt((p**2).sum(dim=0) * (o**2).sum(dim=0))
    return float(torch.nanmean(torch.where(torch.isfinite(r), r, torch.nan)))


def _frozen(module: nn.Module) -> set[str]:
    return {name for name, parameter in module.named_parameters() if not parameter.requires_grad}


def _trained(module: nn.Module) -> dict[str, Tensor]:
    """Collect what training can change; a frozen encoder of gigabytes is not written again at every epoch."""
    frozen = _frozen(module)
    return {name: tensor.detach() for name, tensor in module.state_dict().items() if name not in frozen}


def save_weights(module: nn.Module, path: Path) -> None:
    """Write what training could change, parameters and buffers, as safetensors; frozen parameters are left out."""
    state = {name: tensor.cpu().contiguous() for name, tensor in _trained(module).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path)


def load_weights(module: nn.Module, path: Path) -> None:
    """Read what `save_weights` wrote into a module of the same make.

    Raises
    ------
    DataError
        Naming the tensors that are missing, or that the module has no place for.
    """
    _restore(module, load_file(path), path)


def _restore(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    missing, unexpected = module.load_state_dict(state, strict=False)
    frozen = _frozen(module)
    missing = [name for name in missing if name not in frozen]
    if missing or unexpected:
        raise DataError(f"{path}: tensors missing: {missing or 'none'}; unexpected: {unexpected or 'none'}.")
