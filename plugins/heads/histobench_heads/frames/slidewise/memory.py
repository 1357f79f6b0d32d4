"""Training a whole slide in bounded memory: stages that are computed again in the backward pass, and chunks of spots.

Neither changes a result beyond rounding. Dropout draws the same masks the second time (torch puts its generator back),
and batch normalisation updates its running statistics the first time only.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

__all__ = ["in_chunks", "recomputed"]


def recomputed(stage: nn.Module, *inputs: Tensor) -> Tensor:
    """Run a stage, keeping of it for the backward pass only what went in.

    Without gradients it simply runs.
    """
    if not torch.is_grad_enabled():
        plain: Tensor = stage(*inputs)
        return plain

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _same_statistics(stage)

    out: Tensor = checkpoint(stage, *inputs, use_reentrant=False, context_fn=contexts)
    return out


def in_chunks(stage: nn.Module, rows: Tensor, /, *, spots: int) -> Tensor:
    """Run a stage in which spots do not see each other on some at a time, recomputed: (n, …) to (n, …)."""
    return torch.cat([recomputed(stage, part) for part in torch.split(rows, spots)])


@contextmanager
def _same_statistics(stage: nn.Module) -> Iterator[None]:
    """Leave every buffer of the stage as it was: batch normalisation has counted these spots already."""
    before = [(buffer, buffer.clone()) for buffer in stage.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, values in before:
                buffer.copy_(values)
