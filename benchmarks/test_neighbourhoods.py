"""The cost of neighbourhoods in hist2scRNA and in the prediction of Hist2Cell (training: `test_hist2cell_batching.py`).

A random batch cuts off links of the graph. The specification therefore adds the two hops around each seed
(``hist2scrna.md``, 11.1), naively one neighbourhood per spot or eight random spots with theirs. Patches and links are
counted over a whole epoch. Seconds are those of the first batches, forward and backward, with a narrow vision
transformer at 48 pixels, scaled up to the epoch. With the published transformer nearly all time is encoding, and the
ratio of seconds approaches that of patches.
"""

import time
from collections.abc import Iterable, Iterator

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from histobench import LabelledSamples
from histobench_heads.frames.neighbourhoods import Batching, Subgraph
from histobench_heads.hist2cell.method import batching as hist2cell_batching
from histobench_heads.hist2cell.options import Hist2CellOptions
from histobench_heads.hist2scrna.learning import Truth, draw_up
from histobench_heads.hist2scrna.method import Hist2Scrna, batching, links, load_batch, loss_on_seeds, together
from histobench_heads.hist2scrna.network import Hist2ScrnaNetwork
from histobench_heads.hist2scrna.options import Hist2ScrnaOptions

NARROW = {
    "patch_px": 48, "token_px": 8, "embed": 96, "depth": 3, "heads": 3, "gnn_hidden": 32, "gnn_heads": 2, "decoder": 64
}  # fmt: skip
OPTIONS = Hist2ScrnaOptions(**NARROW)
PUBLISHED = Hist2ScrnaOptions(graph_batch="upstream", direction="to_neighbours", **NARROW)
HOPS = 2
ALONE, RANDOM, OURS = "each neighbourhood alone", "random spots with neighbourhoods", "contiguous parts"


def _ways(section: LabelledSamples) -> dict[str, Batching]:
    """Return three batchings: one seed with its two hops; eight random seeds with theirs; eight contiguous seeds."""
    near = links(section, OPTIONS)
    apart = {
        way: Batching(samples=section, links=near, hops=HOPS, part_spots=spots, at_random=True)
        for way, spots in ((ALONE, 1), (RANDOM, OPTIONS.batch))
    }
    return {**apart, OURS: batching(section, OPTIONS)}


def _patches_a_spot(parts: Iterable[Subgraph], n: int) -> float:
    return round(sum(len(part.nodes) for part in parts) / n, 2)


def _network(section: LabelledSamples) -> Hist2ScrnaNetwork:
    torch.manual_seed(0)
    return Hist2Scrna(OPTIONS).make_network(draw_up(section, 0))


def _epoch_seconds(section: LabelledSamples, parts: Iterator[Subgraph], n_timed: int) -> float:
    """Time the training on some spots, and scale up to all."""
    network, truth = _network(section), Truth.of(section, draw_up(section, 0))
    spots, begun = 0, time.perf_counter()
    while spots < n_timed:
        part = next(parts)
        loss_on_seeds(network, load_batch(section.patches, truth, part), OPTIONS)["loss"].backward()
        spots += part.n_seeds
    return (time.perf_counter() - begun) * len(section) / spots


def test_hist2scrna_trained_on_contiguous_parts(benchmark: BenchmarkFixture, section: LabelledSamples) -> None:
    ways, n = _ways(section), len(section)
    patches = {way: _patches_a_spot(parts.training(0, 0), n) for way, parts in ways.items()}
    n_timed = 48 if benchmark.enabled else 8
    _epoch_seconds(section, ways[OURS].training(0, 0), 8)  # warm up
    seconds = benchmark.pedantic(
        lambda: {way: _epoch_seconds(section, parts.training(0, 0), n_timed) for way, parts in ways.items()}, rounds=1
    )
    kept = sum(part.edges.shape[1] for part in batching(section, PUBLISHED).training(0, 0))
    benchmark.extra_info.update(
        section=f"{section.slide_ids[0]}, {n} spots",
        patches_a_spot=patches,
        patches_saved={way: round(count / patches[OURS], 2) for way, count in patches.items()},
        seconds_per_epoch={way: round(s, 2) for way, s in seconds.items()},
        times_faster={way: round(s / seconds[OURS], 2) for way, s in seconds.items()},
        links_kept_by_published_batches=round(kept / links(section, PUBLISHED).nnz, 3),
    )
    assert patches[OURS] * 2 < patches[RANDOM] < patches[ALONE]
    assert seconds[OURS] < min(seconds[RANDOM], seconds[ALONE]) or not benchmark.enabled  # few batches are too noisy


@torch.no_grad()
def test_hist2scrna_predicting_a_whole_slide_at_once(benchmark: BenchmarkFixture, section: LabelledSamples) -> None:
    method, network = Hist2Scrna(OPTIONS), _network(section).eval()
    truth = Truth.of(section, draw_up(section, 0))
    rows = range(len(section) if benchmark.enabled else 24)
    near = Batching(samples=section, links=links(section, OPTIONS), hops=HOPS, part_spots=OPTIONS.batch, at_random=True)

    def by_neighbourhood() -> torch.Tensor:
        rows_of_parts = []
        for part in near.prediction():
            if part.nodes[0] in rows:
                batch = load_batch(section.patches, truth, part)
                rows_of_parts.append(network(batch.patches, batch.edges).rows(slice(part.n_seeds)))
        return together(rows_of_parts).features

    begun = time.perf_counter()
    naive = by_neighbourhood()
    naive_seconds = time.perf_counter() - begun
    begun = time.perf_counter()
    ours = benchmark.pedantic(lambda: method.say(network, section), rounds=1).features
    seconds = time.perf_counter() - begun
    benchmark.extra_info.update(
        patches_a_spot={"eight consecutive rows": _patches_a_spot(near.prediction(), len(section)), "whole slide": 1.0},
        seconds={"eight consecutive rows": round(naive_seconds, 2), "whole slide": round(seconds, 2)},
        times_faster=round(naive_seconds / seconds, 2),
    )
    torch.testing.assert_close(ours[: len(naive)], naive, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seeds", [16, 1], ids=["published batches", "each neighbourhood alone"])
def test_hist2cell_predicts_with_fewer_patches(
    benchmark: BenchmarkFixture, section: LabelledSamples, seeds: int
) -> None:
    faithful, n = Hist2CellOptions(faithful=True, seeds_per_batch=seeds), len(section)
    ours = benchmark(lambda: _patches_a_spot(hist2cell_batching(section, Hist2CellOptions()).prediction(), n))
    theirs = _patches_a_spot(hist2cell_batching(section, faithful).prediction(), n)
    benchmark.extra_info.update(patches_a_spot={"theirs": theirs, "ours": ours}, patches_saved=round(theirs / ours, 2))
    assert ours < theirs
