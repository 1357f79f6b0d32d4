"""Random numbers that depend only on (seed, key)."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from histobench.data import Int

__all__ = ["generator", "seeded", "shuffled"]


@contextmanager
def seeded(seed: int, *key: int) -> Iterator[None]:
    """Seed torch's generators from (seed, *key) in the block, and restore their state afterwards."""
    state = np.random.SeedSequence(seed, spawn_key=key).generate_state(2, np.uint32)
    devices = list(range(torch.cuda.device_count()))
    with (
        torch.random.fork_rng(devices=devices),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
    ):
        torch.manual_seed(int(state[0]) << 32 | int(state[1]))
        yield


def generator(seed: int, *key: int) -> np.random.Generator:
    """Return numpy's generator for (seed, *key)."""
    # as a spawn key: SeedSequence([7]) and SeedSequence([7, 0]) are the same stream
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def shuffled(n: int, batch: int, *, seed: int, epoch: int, drop_last: bool) -> Iterator[Int]:
    """Yield the rows of each batch of one epoch, in a random order that depends on (seed, epoch).

    With ``drop_last`` an incomplete last batch is left out, unless it is the only one.
    """
    order = generator(seed, epoch).permutation(n)
    for start in range(0, n, batch):
        rows = order[start : start + batch]
        if drop_last and len(rows) < batch and start:
            return
        yield rows
