"""Training on a whole slide in bounded memory: recomputed stages and chunks of spots.

Neither changes a result beyond rounding. Dropout draws the same masks the second time, because torch restores its
generator. Batch normalisation updates its running statistics the first time only.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

__all__ = ["in_chunks", "recomputed"]


def recomputed(stage: nn.Module, *inputs: Tensor) -> Tensor:
    """Run a stage, and keep only its inputs for the backward pass, which computes the stage again."""
    if not torch.is_grad_enabled():
        plain: Tensor = stage(*inputs)
        return plain

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _same_statistics(stage)

    out: Tensor = checkpoint(stage, *inputs, use_reentrant=False, context_fn=contexts)
    return out


def in_chunks(stage: nn.Module, rows: Tensor, /, *, spots: int) -> Tensor:
    """Run a stage that treats each spot alone, recomputed and on some spots at a time: (n, …) to (n, …)."""
    return torch.cat([recomputed(stage, part) for part in torch.split(rows, spots)])


@contextmanager
def _same_statistics(stage: nn.Module) -> Iterator[None]:
    """Restore every buffer of the stage afterwards: batch normalisation has counted these spots already."""
    before = [(buffer, buffer.clone()) for buffer in stage.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, values in before:
                buffer.copy_(values)
