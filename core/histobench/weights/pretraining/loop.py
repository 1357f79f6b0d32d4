"""The loop of self-supervised training: steps until the epochs or the minutes are over, resumed after a kill.

Unlike `histobench.training.fit_module`, it can end after a budget of minutes, within which the learning rate decays.
Every step reseeds torch from (seed, step), so that without such a budget a resumed training takes the same steps as an
uninterrupted one.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from histobench.contracts.protocols import FitContext
from histobench.data import Int, Patches
from histobench.errors import DataError
from histobench.training import load_checkpoint, save_checkpoint, seeded, shuffled
from histobench.training.loop import make_fabric
from histobench.weights.pretraining.objectives import Objective
from histobench.weights.pretraining.options import Options

__all__ = ["CHECKPOINT_SECONDS", "Budget", "Passed", "train_objective"]

CHECKPOINT_SECONDS = 20.0
"""Least time between two checkpoints; how often they are written never changes a number."""

_CHECKPOINT = "pretraining.ckpt"
_LAST_RATE = 0.01  # of the highest, at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How long to train: a number of epochs, or of minutes if these are over first.

    Attributes
    ----------
    batch
        Patches per step; a smaller last batch is left out.
    """

    epochs: int
    batch: int
    minutes: float | None = None

    def steps(self, n: int) -> int:
        """Return the number of steps of an epoch of n patches."""
        return max(1, n // self.batch)

    def share(self, passed: "Passed", n: int) -> float:
        """Return the finished share of the training, from 0 to 1."""
        by_steps = passed.steps / (self.epochs * self.steps(n)) if self.epochs else 1.0
        by_time = passed.seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(by_steps, by_time))


@dataclass(slots=True, kw_only=True)
class Passed:
    """The progress of a training.

    Attributes
    ----------
    seconds
        Time spent on steps, including killed attempts.
    losses
        Mean loss of each epoch.
    """

    steps: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)


def train_objective(
    objective: Objective, patches: Patches, *, options: Options, budget: Budget, asked: str, context: FitContext
) -> Passed:
    """Train an objective in place on (n, s, s, 3) uint8 patches.

    Parameters
    ----------
    asked
        Hash of the request: a checkpoint of another request is not resumed.

    Raises
    ------
    DataError
        If there are fewer than two patches, or a loss is not finite.
    """
    n = len(patches)
    if n < 2:
        raise DataError(f"pretraining needs at least two patches, got {n}.")
    fabric = make_fabric(context)
    trained = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=options.lr, weight_decay=options.weight_decay)
    wrapped, wrapped_optimiser = fabric.setup(objective, optimiser)
    passed = _resume(load_checkpoint(context.resume, _CHECKPOINT, context.device), objective, optimiser, asked)
    state = partial(_state, objective, optimiser, passed, asked)
    wrapped.train()
    recent: list[float] = []
    for epoch, rows in _batches(n, budget, context.seed, passed.steps):
        begun, share = time.perf_counter(), budget.share(passed, n)
        if share >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = options.lr * _rate(share, options.warm_up)
        with seeded(context.seed, passed.steps):
            loss = wrapped(fabric.to_device(torch.from_numpy(np.array(patches[rows]))), share)
            fabric.backward(loss)
            wrapped_optimiser.step()
            wrapped_optimiser.zero_grad(set_to_none=True)
            objective.follow(share)
        recent.append(_finite(float(loss.detach()), passed.steps))
        passed.steps += 1
        passed.seconds += time.perf_counter() - begun
        if passed.steps % budget.steps(n) == 0:
            passed.losses.append(sum(recent) / len(recent))
            context.report(epoch, {"loss": passed.losses[-1], "share": budget.share(passed, n)})
            recent.clear()
        save_checkpoint(context.resume, _CHECKPOINT, state, seconds=CHECKPOINT_SECONDS)
    objective.eval()
    return passed


def _state(objective: Objective, optimiser: torch.optim.Optimizer, passed: Passed, asked: str) -> dict[str, object]:
    return {
        "asked": asked,
        "objective": objective.state_dict(),
        "optimiser": optimiser.state_dict(),
        "passed": [passed.steps, passed.seconds, passed.losses],
    }


def _batches(n: int, budget: Budget, seed: int, done: int) -> Iterator[tuple[int, Int]]:
    """Yield the epoch and the rows of every remaining step."""
    steps = budget.steps(n)
    for epoch in range(done // steps, budget.epochs):
        for step, rows in enumerate(shuffled(n, budget.batch, seed=seed, epoch=epoch, drop_last=True)):
            if epoch * steps + step >= done:
                yield epoch, rows


def _rate(share: float, warm_up: float) -> float:
    """Return the learning rate as a share of the highest: a linear rise, then a cosine decay."""
    if share < warm_up:
        return max(share / warm_up, _LAST_RATE)
    left = (share - warm_up) / (1 - warm_up) if warm_up < 1 else 1.0
    return _LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * left)) / 2


def _finite(loss: float, step: int) -> float:
    if not math.isfinite(loss):
        raise DataError(f"pretraining diverged: the loss of step {step} is {loss}; lower the learning rate.")
    return loss


def _resume(
    state: dict[str, Any] | None, objective: Objective, optimiser: torch.optim.Optimizer, asked: str
) -> Passed:  # Any: as written
    """Put back the state of a checkpoint of the same training; without one, the training starts from its beginning."""
    if state is None or state.get("asked") != asked:
        return Passed()
    objective.load_state_dict(state["objective"])
    optimiser.load_state_dict(state["optimiser"])
    steps, seconds, losses = state["passed"]
    return Passed(steps=steps, seconds=seconds, losses=losses)
