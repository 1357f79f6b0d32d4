"""The cost of an epoch of Hist2Cell: single neighbourhoods, the published batches, and contiguous parts.

Spots have the positions of four real sections if the data are available, otherwise of a full lattice. Patches are
counted over a whole epoch. Seconds are those of the first steps, forward and backward, with a small convolutional
encoder, scaled up to the epoch. With ResNet-18 nearly all time is encoding, and the ratio of seconds approaches that of
patches.
"""

import itertools
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from histobench import Int, LabelledSamples, Targets
from histobench_heads.hist2cell.method import batching, load_batch, loss_over_nodes
from histobench_heads.hist2cell.network import Hist2CellNetwork
from histobench_heads.hist2cell.options import Hist2CellOptions

WAYS = {
    "each neighbourhood alone": Hist2CellOptions(faithful=True, seeds_per_batch=1),
    "published batches": Hist2CellOptions(faithful=True),
    "contiguous parts": Hist2CellOptions(),
}
"""One seed with its two hops; 16 random seeds with their two hops; a part of a slide with its halo."""

SLIDES = ("C2", "C3", "C4", "C5")
PATCH_PX = 32
N_TARGETS = 22
TIMED_SEEDS = 96


class _SmallEncoder(nn.Module):
    """Three strided convolutions, from (n, h, w, 3) uint8 to (n, 64)."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 64)
        layers = [
            nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU())
            for before, after in itertools.pairwise(widths)
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, patches: Tensor) -> Tensor:
        embedded: Tensor = self.layers(patches.permute(0, 3, 1, 2) / 255).mean(dim=(2, 3))
        return embedded


@pytest.fixture(scope="module")
def samples() -> LabelledSamples:
    arrays = [_positions(slide) for slide in SLIDES]
    array = np.concatenate(arrays)
    draw = np.random.default_rng(0)
    n = len(array)
    return LabelledSamples(
        slide_ids=np.repeat(SLIDES, [len(spots) for spots in arrays]),
        spot_ids=np.arange(n).astype(str),
        xy_um=array * 200.0,
        array=array,
        patches=draw.integers(0, 256, (n, PATCH_PX, PATCH_PX, 3), dtype=np.uint8),
        targets=Targets(
            kind="cell_abundance",
            names=tuple(f"type{i}" for i in range(N_TARGETS)),
            values=draw.random((n, N_TARGETS), dtype=np.float32),
        ),
    )


def _positions(slide: str) -> Int:
    data = Path(os.environ.get("HISTOBENCH_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    path = data / "her2st" / "data" / "ST-spotfiles" / f"{slide}_selection.tsv"
    if path.is_file():
        return np.loadtxt(path, skiprows=1, usecols=(0, 1)).astype(np.int64)
    return np.stack(np.meshgrid(np.arange(14), np.arange(13)), axis=-1).reshape(-1, 2)


def _patches_per_epoch(samples: LabelledSamples, options: Hist2CellOptions) -> int:
    return sum(len(part.nodes) for part in batching(samples, options).training(0, 0))


def _epoch_seconds(samples: LabelledSamples, options: Hist2CellOptions) -> float:
    torch.manual_seed(0)
    network = Hist2CellNetwork(
        _SmallEncoder(), 64, n_targets=N_TARGETS, depth=options.depth, dropout=options.dropout, final_relu=False
    )
    batches = batching(samples, options).training(0, 0)
    seeds, begun = 0, time.perf_counter()
    while seeds < TIMED_SEEDS:
        part = next(batches)
        loss_over_nodes(network, load_batch(samples.patches, samples.targets, part))["loss"].backward()
        seeds += part.n_seeds
    return (time.perf_counter() - begun) * len(samples) / seeds


def test_contiguous_parts_against_neighbourhood_sampling(benchmark: BenchmarkFixture, samples: LabelledSamples) -> None:
    patches = {way: _patches_per_epoch(samples, options) for way, options in WAYS.items()}
    _epoch_seconds(samples, WAYS["contiguous parts"])  # warm up
    seconds = benchmark.pedantic(
        lambda: {way: _epoch_seconds(samples, options) for way, options in WAYS.items()}, rounds=1
    )
    ours = "contiguous parts"
    benchmark.extra_info.update(
        spots=len(samples),
        patches_per_epoch=patches,
        patches_saved={way: round(n / patches[ours], 2) for way, n in patches.items()},
        seconds_per_epoch={way: round(s, 2) for way, s in seconds.items()},
        times_faster={way: round(s / seconds[ours], 2) for way, s in seconds.items()},
    )
    assert patches[ours] * 3 < min(patches["published batches"], patches["each neighbourhood alone"])
    assert seconds[ours] < min(seconds["published batches"], seconds["each neighbourhood alone"])


def test_making_the_batches_of_an_epoch(benchmark: BenchmarkFixture, samples: LabelledSamples) -> None:
    subgraphs = benchmark(lambda: list(batching(samples, Hist2CellOptions()).training(0, 0)))
    assert sum(part.n_seeds for part in subgraphs) == len(samples)
