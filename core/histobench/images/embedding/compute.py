"""Running a frozen encoder over many patches, with batches that fit into memory and reading in parallel.

Threads read the next batches into pinned memory while the device computes; pixels are copied as bytes and normalised on
the device; embeddings are copied back while the next batch runs. Only the precision changes values by more than
rounding.
"""

import contextlib
import copy
import functools
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from histobench.contracts.encoder_card import Precision
from histobench.contracts.protocols import Encoder
from histobench.data import Float, Patches

__all__ = ["BatchSize", "Compute", "Embedder", "FrozenNetwork", "effective_precision", "embedder"]

CPU_BATCH = 32
"""On a CPU: larger batches are not faster, and a fixed size always gives the same last bits."""

FIRST_BATCH, LARGEST_BATCH = 32, 1024
"""On a GPU: the first batch size, and the largest that doubling reaches."""

WORTH_GROWING = 1.05
"""The batch size is doubled again while doubling gives at least this speed-up."""

_HALF = {"fp16": torch.float16, "bf16": torch.bfloat16}
_AHEAD = 3  # batches that are read or waiting to be computed
_CPU_IS_FULL = "can't allocate memory"  # torch has no exception of its own for it


@runtime_checkable
class FrozenNetwork(Encoder, Protocol):
    """An encoder that exposes its network, so that it runs at full speed and in any precision."""

    def frozen(self, device: str = "cpu") -> nn.Module:
        """Return the network that ``embed`` runs, (n, h, w, 3) uint8 → (n, d), always with the same weights."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """Where and how embeddings are computed; only the precision changes their values.

    Attributes
    ----------
    device
        As torch spells it.
    batch_size
        ``None`` finds one: on a GPU it is doubled while that is faster, and halved when memory runs out.
    workers
        Threads that cut and read patches.
    compiled
        True to let torch compile the network, which takes a minute and is worthwhile for long runs.
    """

    device: str = "cpu"
    precision: Precision = "fp32"
    batch_size: int | None = None
    workers: int = 2
    compiled: bool = False


def effective_precision(encoder: Encoder, asked: Precision) -> Precision:
    """Return the precision in which an encoder computes: always single if it exposes no network."""
    return asked if isinstance(encoder, FrozenNetwork) else "fp32"


class BatchSize:
    """The number of patches embedded at a time, adapted during the run.

    Parameters
    ----------
    size
        The first size.
    grows
        True to double it while that is faster.
    """

    def __init__(self, size: int, *, grows: bool) -> None:
        self.size = size
        self.grows = grows
        self._speed = 0.0
        self._is_warm = False

    def shrink(self, failed: int) -> None:
        """Halve the size that did not fit, and stop growing."""
        self.size, self.grows = max(1, failed // 2), False

    def measured(self, n: int, seconds: float) -> None:
        """Record the time of a batch; the first of each size is ignored, because it warms caches."""
        if not self.grows or n != self.size:
            return
        if not self._is_warm:
            self._is_warm = True
            return
        speed = n / max(seconds, 1e-9)
        if speed < self._speed * WORTH_GROWING:
            self.size, self.grows = n // 2, False  # no faster, and half of it needs half the memory
            return
        self._speed, self._is_warm = speed, False
        self.size = min(2 * n, LARGEST_BATCH)
        self.grows = self.size > n


class Embedder:
    """An encoder prepared on a device, for one slide after another."""

    def __init__(self, encoder: Encoder, how: Compute) -> None:
        self._encoder = encoder
        self._how = how
        self._device = torch.device(how.device)
        self._is_cuda = self._device.type == "cuda"
        self._network = _ready(encoder, how) if isinstance(encoder, FrozenNetwork) else None
        first = how.batch_size or (FIRST_BATCH if self._is_cuda else CPU_BATCH)
        fixed = how.batch_size is not None or not self._is_cuda or how.compiled
        self.batch = BatchSize(first, grows=not fixed)

    def embed(self, patches: Patches, first: int = 0) -> Iterator[tuple[int, Float]]:
        """Yield batches of embeddings, from row ``first`` on: the first row of the batch, and (k, d) float32."""
        waiting: deque[tuple[int, Tensor, torch.cuda.Event | None]] = deque()
        for start, batch in self._read(patches, first):
            begun = time.perf_counter()
            waiting.append((start, *self._leave(self._forward(batch))))
            if self.batch.grows:
                torch.cuda.synchronize(self._device)
                self.batch.measured(len(batch), time.perf_counter() - begun)
            if len(waiting) > int(self._is_cuda):
                yield _arrived(*waiting.popleft())
        while waiting:
            yield _arrived(*waiting.popleft())

    def _read(self, patches: Patches, first: int) -> Iterator[tuple[int, Tensor]]:
        ahead: deque[tuple[int, Future[Tensor]]] = deque()
        threads = ThreadPoolExecutor(self._how.workers)
        start, n = first, len(patches)
        try:
            while ahead or start < n:
                while len(ahead) < _AHEAD and start < n:
                    stop = min(start + self.batch.size, n)
                    ahead.append((start, threads.submit(self._load, patches, start, stop)))
                    start = stop
                at, batch = ahead.popleft()
                yield at, batch.result()
        finally:
            threads.shutdown(cancel_futures=True)

    def _load(self, patches: Patches, start: int, stop: int) -> Tensor:
        batch = torch.from_numpy(np.ascontiguousarray(patches[start:stop]))
        return batch.pin_memory() if self._is_cuda and self._network is not None else batch

    def _forward(self, batch: Tensor) -> Tensor:
        """Embed a batch, in halves if it does not fit into memory."""
        if len(batch) > self.batch.size:  # read before the size was reduced
            return torch.cat([self._forward(part) for part in torch.split(batch, self.batch.size)])
        try:
            return self._run(batch)
        except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
            if len(batch) == 1 or not _is_out_of_memory(error):
                raise
        # outside of the handler, so that the failed run's tensors are released
        self.batch.shrink(len(batch))
        if self._is_cuda:
            torch.cuda.empty_cache()
        return self._forward(batch)

    def _run(self, batch: Tensor) -> Tensor:
        if self._network is None:
            embeddings = self._encoder.embed(batch.numpy(), device=self._how.device)
            with np.errstate(over="ignore"):  # too large values become infinite, and are refused later
                return torch.from_numpy(np.asarray(embeddings, dtype=np.float32))
        n = len(batch)
        if self._how.compiled and n < self.batch.size:  # a new shape would be compiled anew
            batch = torch.cat([batch, batch[:1].expand(self.batch.size - n, -1, -1, -1)])
        with torch.inference_mode(), _autocast(self._device, self._how.precision):
            embedded: Tensor = self._network(batch.to(self._device, non_blocking=True))
        return embedded[:n].float()

    def _leave(self, embedded: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
        """Copy embeddings back without waiting for them."""
        if not embedded.is_cuda:
            return embedded, None
        arriving = torch.empty(embedded.shape, dtype=embedded.dtype, pin_memory=True)
        arriving.copy_(embedded, non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's
        arrived.record(torch.cuda.current_stream(self._device))
        return arriving, arrived


def embedder(encoder: Encoder, how: Compute) -> Embedder:
    """Return a prepared encoder; the last one is kept, because the next slide usually needs the same."""
    return _embedder(_Same(encoder), how)


class _Same:
    """An encoder as a key, compared by identity."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.encoder is self.encoder

    def __hash__(self) -> int:
        return id(self.encoder)


@functools.lru_cache(maxsize=1)
def _embedder(same: _Same, how: Compute) -> Embedder:
    return Embedder(same.encoder, how)


def _ready(encoder: FrozenNetwork, how: Compute) -> nn.Module:
    is_changed = how.precision in _HALF or how.compiled
    network = encoder.frozen("cpu" if is_changed else how.device)
    if is_changed:
        network = copy.deepcopy(network)  # the encoder's own stays as it is
    if how.precision in _HALF:
        # what autocast would do at every batch; norms and the pixels' mean and deviation stay in full precision
        for layer in network.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.to(_HALF[how.precision])
    network = network.to(how.device).to(memory_format=torch.channels_last)
    if how.compiled:
        network.compile(dynamic=False)
    return network


def _autocast(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager[object]:
    if precision not in _HALF:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=_HALF[precision])


def _arrived(first: int, embedded: Tensor, event: torch.cuda.Event | None) -> tuple[int, Float]:
    if event is not None:
        event.synchronize()
    return first, embedded.numpy()


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or _CPU_IS_FULL in str(error)
