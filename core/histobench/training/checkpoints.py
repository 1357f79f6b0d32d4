"""What a fit has gone through so far, kept on disk so that a killed one goes on where it was."""

import math
import time
from dataclasses import dataclass, field
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from histobench.contracts.protocols import FitContext
from histobench.training.weights import restore, trained_state

__all__ = ["CHECKPOINT_SECONDS", "Fitted", "Progress"]

CHECKPOINT_SECONDS = 5.0
"""Least time between two checkpoints; how often they are written never changes a number."""

_CHECKPOINT = "epoch.ckpt"


@dataclass(slots=True, kw_only=True)
class Fitted:
    """What a fit went through: numbers per epoch, and the epoch whose weights were kept."""

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1
    best_score: float = -math.inf


@dataclass(slots=True, kw_only=True)
class Progress:
    """All that must be remembered between two epochs.

    Attributes
    ----------
    best_state
        Weights of the best epoch so far, on the CPU; ``None`` while no epoch has a score.
    """

    module: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    fitted: Fitted = field(default_factory=Fitted)
    best_state: dict[str, Tensor] | None = None

    def offer(self, epoch: int, score: float) -> None:
        """Keep the weights of an epoch if its score is the highest so far; NaN never is."""
        if score > self.fitted.best_score:
            self.fitted.best_score, self.fitted.best_epoch = score, epoch
            self.best_state = {name: tensor.cpu().clone() for name, tensor in trained_state(self.module).items()}

    def choose(self) -> Fitted:
        """Leave the module in evaluation mode with the best epoch's weights, or the last one's if none has a score."""
        if self.best_state is not None:
            self.module.load_state_dict(self.best_state, strict=False)
        else:
            self.fitted.best_epoch = len(self.fitted.history) - 1
        self.module.eval()
        return self.fitted

    def save(self, context: FitContext) -> None:
        """Write a checkpoint if there is a folder for it and the last one is old enough."""
        if context.resume is None:
            return
        path = context.resume / _CHECKPOINT
        if path.exists() and time.time() - path.stat().st_mtime < CHECKPOINT_SECONDS:
            return
        context.resume.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        torch.save(self._state(), partial)
        partial.replace(path)

    def load(self, context: FitContext) -> None:
        """Go on from the checkpoint, if there is one that can be read.

        Raises
        ------
        DataError
            If it is the checkpoint of another module.
        """
        path = None if context.resume is None else context.resume / _CHECKPOINT
        if path is None or not path.exists():
            return
        try:
            state = torch.load(path, map_location=context.device, weights_only=True)
        except (EOFError, OSError, RuntimeError, UnpicklingError):
            return  # a checkpoint only saves time: without it the same steps are taken again
        if not isinstance(state, dict) or set(state) != set(self._state()):
            return
        restore(self.module, state["module"], path)
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.fitted.history = state["history"]
        self.fitted.best_epoch, self.fitted.best_score = state["best"]
        self.best_state = state["best_state"]

    def _state(self) -> dict[str, object]:
        return {
            "module": trained_state(self.module),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": self.fitted.history,
            "best": [self.fitted.best_epoch, self.fitted.best_score],
            "best_state": self.best_state,
        }
