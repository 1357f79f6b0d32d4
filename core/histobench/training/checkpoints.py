"""Checkpoints of an unfinished fit, from which a killed one resumes."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from histobench.contracts.protocols import FitContext
from histobench.files import remove_leftovers, replacing
from histobench.training.weights import restore, trained_state

__all__ = ["CHECKPOINT_SECONDS", "Fitted", "Progress", "load_checkpoint", "save_checkpoint"]

CHECKPOINT_SECONDS = 5.0
"""Least time between two checkpoints; how often they are written never changes a number."""

_CHECKPOINT = "epoch.ckpt"


def save_checkpoint(
    folder: Path | None, name: str, state: Callable[[], Mapping[str, object]], *, seconds: float | None = None
) -> None:
    """Replace a checkpoint, unless there is no folder for it or the last one is younger than ``seconds``.

    Parameters
    ----------
    state
        Returns what is written: tensors, numbers, texts and plain containers of them.
    seconds
        By default `CHECKPOINT_SECONDS`.
    """
    if folder is None:
        return
    path = folder / name
    seconds = CHECKPOINT_SECONDS if seconds is None else seconds
    if path.exists() and time.time() - path.stat().st_mtime < seconds:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        torch.save(dict(state()), partial)


def load_checkpoint(folder: Path | None, name: str, device: str = "cpu") -> dict[str, Any] | None:  # Any: as written
    """Read what `save_checkpoint` wrote; ``None`` if there is nothing that can be read.

    A checkpoint only saves time: without it the same steps are taken again.
    """
    if folder is None or not (folder / name).exists():
        return None
    remove_leftovers(folder)
    try:
        state = torch.load(folder / name, map_location=device, weights_only=True)
    except Exception:  # noqa: BLE001 -- torch raises whatever damaged bytes lead to
        return None
    return state if isinstance(state, dict) else None


@dataclass(slots=True, kw_only=True)
class Fitted:
    """The history of a fit: numbers of every epoch, and the epoch whose weights were kept."""

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1
    best_score: float = -math.inf


@dataclass(slots=True, kw_only=True)
class Progress:
    """The state of a fit between two epochs.

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
        save_checkpoint(context.resume, _CHECKPOINT, self._state)

    def load(self, context: FitContext) -> None:
        """Resume from the checkpoint, if there is one that can be read.

        Raises
        ------
        DataError
            If it is the checkpoint of another module.
        """
        state = load_checkpoint(context.resume, _CHECKPOINT, context.device)
        if state is None or context.resume is None or set(state) != set(self._state()):
            return
        restore(self.module, state["module"], context.resume / _CHECKPOINT)
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
