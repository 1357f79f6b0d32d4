"""Batches fit, reading is ahead of computing, and a precision does what it says and nothing else."""

import copy
import threading
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histobench.contracts.protocols import PatchGeometry
from histobench.data import Float, UInt8
from histobench.images.embedding import BatchSize, Compute, Embedder
from histobench.testing import ToyEncoder

N = 100


class Colours(nn.Module):
    """A convolution, a norm and a linear layer; remembers the shapes that it was given."""

    def __init__(self, *, largest: int = 10**9, error: type[Exception] = torch.OutOfMemoryError) -> None:
        super().__init__()
        self.stem, self.norm, self.out = nn.Conv2d(3, 8, 4, stride=4), nn.LayerNorm(8), nn.Linear(8, 5)
        self.largest, self.error = largest, error
        self.batches: list[int] = []

    def forward(self, patches: Tensor) -> Tensor:
        self.batches.append(len(patches))
        if len(patches) > self.largest:
            raise self.error("CUDA out of memory.")
        features: Tensor = self.stem(patches.permute(0, 3, 1, 2) / 255).mean(dim=(2, 3))
        embedded: Tensor = self.out(self.norm(features))
        return embedded


class NetworkEncoder:
    """An encoder around a network."""

    dim, identity, geometry = 5, "v1", PatchGeometry(patch_px=16)

    def __init__(self, network: Colours) -> None:
        self.network = network.eval()

    def frozen(self, device: str = "cpu") -> nn.Module:
        return self.network.to(device)

    def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:
        with torch.inference_mode():
            return self.frozen(device)(torch.from_numpy(patches)).numpy()


@pytest.fixture
def patches() -> UInt8:
    return np.random.default_rng(0).integers(0, 256, (N, 16, 16, 3), dtype=np.uint8)


@pytest.fixture
def network() -> Colours:
    torch.manual_seed(0)
    return Colours()


def joined(embedder: Embedder, patches: UInt8, first: int = 0) -> Float:
    parts = list(embedder.embed(patches, first))
    starts = [start for start, _ in parts]
    assert starts == list(np.cumsum([first, *(len(part) for _, part in parts)])[:-1])
    return np.concatenate([part for _, part in parts])


@pytest.mark.parametrize("how", [Compute(), Compute(batch_size=7), Compute(batch_size=1000), Compute(workers=1)])
def test_every_patch_is_embedded_in_its_place(patches: UInt8, network: Colours, how: Compute) -> None:
    encoder = NetworkEncoder(network)
    np.testing.assert_allclose(joined(Embedder(encoder, how), patches), encoder.embed(patches), atol=1e-5)


def test_one_goes_on_from_a_row(patches: UInt8, network: Colours) -> None:
    encoder = NetworkEncoder(network)
    np.testing.assert_allclose(
        joined(Embedder(encoder, Compute()), patches, 61), encoder.embed(patches)[61:], atol=1e-5
    )


def test_an_encoder_without_a_network_embeds_for_itself(patches: UInt8) -> None:
    encoder = ToyEncoder(patch_px=16)
    np.testing.assert_allclose(joined(Embedder(encoder, Compute()), patches), encoder.embed(patches), atol=1e-5)


@pytest.mark.parametrize(("asked", "tried"), [(40, [40, 20, 10, 5]), (8, [8, 4]), (4, [4])])
def test_a_batch_that_does_not_fit_is_halved(patches: UInt8, asked: int, tried: Sequence[int]) -> None:
    network = Colours(largest=5)
    encoder = NetworkEncoder(network)
    embedded = joined(Embedder(encoder, Compute(batch_size=asked)), patches)
    network.largest = 10**9
    np.testing.assert_allclose(embedded, encoder.embed(patches), atol=1e-5)
    fitting = [batch for batch in network.batches[:-1] if batch not in tried[:-1]]
    assert network.batches[: len(tried)] == tried
    assert max(fitting) == tried[-1]


def test_what_does_not_fit_is_tried_once_only(patches: UInt8) -> None:
    network = Colours(largest=5)
    embedder = Embedder(NetworkEncoder(network), Compute(batch_size=8))
    joined(embedder, patches)
    joined(embedder, patches)
    assert network.batches.count(8) == 1


def test_a_single_patch_that_does_not_fit_is_an_error(patches: UInt8) -> None:
    embedder = Embedder(NetworkEncoder(Colours(largest=0)), Compute(batch_size=4))
    with pytest.raises(torch.OutOfMemoryError):
        joined(embedder, patches)


def test_the_memory_of_a_cpu_runs_out_in_another_way(patches: UInt8, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Colours(largest=5, error=RuntimeError)
    embedder = Embedder(NetworkEncoder(network), Compute(batch_size=8))
    with pytest.raises(RuntimeError, match="CUDA out of memory"):  # not torch's words for it
        joined(embedder, patches)
    network.error = lambda _words: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")
    assert len(joined(embedder, patches)) == N


def test_the_next_batch_is_read_while_one_is_computed() -> None:
    ahead = threading.Event()

    class Patches:
        def __len__(self) -> int:
            return 64

        def __getitem__(self, rows: slice) -> UInt8:
            if rows.start:
                ahead.set()
            return np.zeros((rows.stop - rows.start, 16, 16, 3), np.uint8)

    class Waiting(ToyEncoder):
        def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:
            assert ahead.wait(timeout=20), "nobody reads ahead"
            return super().embed(patches, device=device)

    embedded = joined(Embedder(Waiting(patch_px=16), Compute(batch_size=32)), Patches())
    assert len(embedded) == 64


def test_a_reader_that_fails_says_so(network: Colours) -> None:
    class Broken:
        def __len__(self) -> int:
            return 64

        def __getitem__(self, rows: slice) -> UInt8:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        joined(Embedder(NetworkEncoder(network), Compute()), Broken())


# Precision


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_halves_are_those_of_autocast(patches: UInt8, network: Colours, precision: str, dtype: torch.dtype) -> None:
    reference = copy.deepcopy(network).eval()
    embedded = joined(Embedder(NetworkEncoder(network), Compute(precision=precision, batch_size=N)), patches)
    with torch.inference_mode(), torch.autocast("cpu", dtype=dtype):
        expected = reference(torch.from_numpy(patches)).float().numpy()
    np.testing.assert_array_equal(embedded, expected)
    assert embedded.dtype == np.float32
    full = NetworkEncoder(network).embed(patches)
    assert 0 < np.abs(embedded - full).max() < 0.05


def test_the_encoders_own_network_stays_in_full_precision(patches: UInt8, network: Colours) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    joined(Embedder(NetworkEncoder(network), Compute(precision="bf16")), patches)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_compiled_network_sees_one_shape(patches: UInt8, network: Colours, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[int] = []

    def compile_(self: Colours, **_options: object) -> None:
        self.batches = shapes

    monkeypatch.setattr(Colours, "compile", compile_)
    embedded = joined(Embedder(NetworkEncoder(network), Compute(compiled=True, batch_size=32)), patches)
    assert shapes == [32, 32, 32, 32]
    np.testing.assert_allclose(embedded, NetworkEncoder(network).embed(patches), atol=1e-5)


# Batch size


def fed(batch: BatchSize, speeds: dict[int, float]) -> list[int]:
    """Tell how fast batches of each size are, and list the sizes that were used."""
    used = []
    for _ in range(20):
        used.append(batch.size)
        batch.measured(batch.size, batch.size / speeds[batch.size])
    return list(dict.fromkeys(used))


def test_a_batch_grows_as_long_as_that_is_faster() -> None:
    batch = BatchSize(32, grows=True)
    assert fed(batch, {32: 100, 64: 180, 128: 260, 256: 262}) == [32, 64, 128, 256]
    assert (batch.size, batch.grows) == (128, False)


def test_growth_ends_at_the_largest_batch() -> None:
    batch = BatchSize(512, grows=True)
    assert fed(batch, {512: 100, 1024: 300}) == [512, 1024]
    assert (batch.size, batch.grows) == (1024, False)


def test_the_first_batch_of_a_size_does_not_count() -> None:
    batch = BatchSize(32, grows=True)
    batch.measured(32, 1000.0)
    batch.measured(32, 0.1)
    batch.measured(64, 1000.0)
    batch.measured(64, 0.1)
    assert batch.size == 128


def test_a_last_short_batch_does_not_count() -> None:
    batch = BatchSize(32, grows=True)
    for _ in range(5):
        batch.measured(3, 0.1)
    assert batch.size == 32


def test_after_running_out_of_memory_a_batch_never_grows_again() -> None:
    batch = BatchSize(64, grows=True)
    batch.shrink(64)
    assert fed(batch, {32: 100}) == [32]
