"""Peak memory and seconds of a training step of a whole-slide method, as JSON; ours or the dense n × n formulation.

A process has only one peak, so each measurement is a separate process::

    python benchmarks/whole_slide_memory.py thitogene --spots 5000
    python benchmarks/whole_slide_memory.py thitogene --spots 1000 --dense

The dense formulation is that of the specifications: attention and adjacency are tables of n × n numbers, and everything
is kept for the backward pass. It computes the same values from the same weights.
"""

import argparse
import functools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histobench.study.config import RunConfig, method_options
from histobench_heads.frames.slidewise.method import SlideBlueprint, SlideMethod
from histobench_heads.frames.slidewise.slides import SlideBatch
from histobench_heads.frames.transformer import HEAD_DIM, Attention
from histobench_heads.hist2st.catalogue import HIST2ST
from histobench_heads.hist2st.modules import GraphLayer
from histobench_heads.histogene.catalogue import HISTOGENE
from histobench_heads.thitogene.catalogue import THITOGENE
from histobench_heads.thitogene.graph_attention import GraphAttentionHead, Links

CARDS = {card.name: card for card in (HISTOGENE, HIST2ST, THITOGENE)}
N_TARGETS = 39


class DenseAttention(Attention):
    """The same attention, with its (heads, n, n) tables."""

    @override
    def forward(self, tokens: Tensor) -> Tensor:
        split = self.to_qkv(self.norm(tokens)).unflatten(1, (3, self.heads, HEAD_DIM))
        queries, keys, values = split.permute(1, 2, 0, 3)
        weights = (queries @ keys.transpose(1, 2) * HEAD_DIM**-0.5).softmax(dim=-1)
        return self.dropout(self.to_out((weights @ values).transpose(0, 1).flatten(1)))


class DenseGraphAttentionHead(GraphAttentionHead):
    """The same graph attention, with its (n, n) tables."""

    @override
    def forward(self, nodes: Tensor, links: Links) -> Tensor:
        sent = nodes @ self.W
        asking, asked = self.a.chunk(2)
        scores = functional.leaky_relu(sent @ asking + (sent @ asked).T, 0.01)
        table = adjacency(links.source, links.receiver, links.n)
        kept = torch.where(table > 0, scores, torch.full_like(scores, -9e15))
        weights = kept.softmax(dim=0 if self._axis == "receivers" else 1)
        return functional.dropout(weights, self._dropout, self.training) @ sent


def dense_mean(nodes: Tensor, edges: Tensor) -> Tensor:
    """Average neighbours with an (n, n) table."""
    table = adjacency(edges[0], edges[1], len(nodes))
    return table / table.sum(dim=1, keepdim=True).clamp(min=1) @ nodes


@functools.lru_cache(maxsize=1)
def adjacency(source: Tensor, receiver: Tensor, n: int) -> Tensor:
    """Return the (n, n) table with a row per receiving spot; made once per step, as in the published loaders."""
    table = torch.zeros(n, n)
    table[receiver, source] = 1
    return table


def densify(module: nn.Module) -> nn.Module:
    """Make every part of a module compute with n × n tables, with the same weights."""
    for part in module.modules():
        if isinstance(part, Attention):
            part.__class__ = DenseAttention
        elif isinstance(part, GraphAttentionHead):
            part.__class__ = DenseGraphAttentionHead
        elif isinstance(part, GraphLayer):
            part.summary = dense_mean
    return module


def make_method(name: str, *, kind: str, preset: str, dense: bool) -> SlideMethod[Any]:  # Any: each has its options
    """Return a method with the options of a preset; ``dense`` keeps everything for the backward pass."""
    settings = {f"{name}.recompute_above": 10**9} if dense else {}
    if kind == "gene_expression":
        settings[f"{name}.n_pos"] = 128  # the authors' 64 positions are too few for a Visium slide
    config = RunConfig(preset=preset, set=settings)
    method = CARDS[name].build(method_options(CARDS[name], config, dataset="", kind=kind, mode=None))
    assert isinstance(method, SlideMethod)
    return method


def make_module(method: SlideMethod[Any], *, kind: str, dense: bool) -> nn.Module:
    """Return the method's module with weights from seed 0."""
    beside = ("counts",) if kind == "gene_expression" else ()
    torch.manual_seed(0)
    names = tuple(f"target{i}" for i in range(N_TARGETS))
    module = method.make_module(SlideBlueprint(targets=names, beside=beside))
    return densify(module) if dense else module


def make_slide(method: SlideMethod[Any], n: int) -> SlideBatch:
    """Return a square lattice of ``n`` spots with random pixels and targets."""
    draw = np.random.default_rng(0)
    side = int(np.ceil(n**0.5))
    array = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)[:n]
    px = method.options.patch_px
    return SlideBatch(
        patches=torch.from_numpy(draw.integers(0, 256, (n, px, px, 3), dtype=np.uint8)),
        positions=torch.from_numpy(array),
        edges=torch.from_numpy(method.edges(array)),
        targets=torch.from_numpy(draw.random((n, N_TARGETS), dtype=np.float32)),
        beside={"counts": torch.from_numpy(draw.integers(0, 20, (n, N_TARGETS)).astype(np.float32))},
    )


def train_step(method: SlideMethod[Any], module: nn.Module, slide: SlideBatch) -> float:
    """Take one step of Adam on one slide, and return the seconds it took."""
    optimiser = torch.optim.Adam(module.parameters(), lr=method.options.lr)
    module.train()
    begun = time.perf_counter()
    method.losses(module, slide)["loss"].backward()
    optimiser.step()
    return time.perf_counter() - begun


def kept_gib(method: SlideMethod[Any], module: nn.Module, slide: SlideBatch) -> float:
    """Return the GiB that a forward pass keeps for the backward pass, without weights."""
    weights = {p.untyped_storage().data_ptr() for p in module.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = method.losses(module.train(), slide)["loss"]
    assert loss.requires_grad  # the loss keeps all storages alive, so that none is counted twice
    return sum(kept.values()) / 2**30


def peak_gib() -> float:
    """Return the most memory that this process has ever held, in GiB."""
    # not from getrusage, where a child process starts with the peak of its parent
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kib = next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]
    return int(kib) / 2**20


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("method", choices=sorted(CARDS))
    parser.add_argument("--spots", type=int, default=1000)
    parser.add_argument("--kind", choices=["cell_abundance", "gene_expression"], default="cell_abundance")
    parser.add_argument("--preset", default="published")
    parser.add_argument("--dense", action="store_true")
    arguments = parser.parse_args()
    before = peak_gib()
    method = make_method(arguments.method, kind=arguments.kind, preset=arguments.preset, dense=arguments.dense)
    module = make_module(method, kind=arguments.kind, dense=arguments.dense)
    slide = make_slide(method, arguments.spots)
    cpu = time.process_time()  # less affected than wall time by other work on the machine
    seconds = train_step(method, module, slide)
    cpu = time.process_time() - cpu
    parameters = sum(p.numel() for p in module.parameters())
    measured = {
        "parameters": parameters,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_gib": round(peak_gib(), 3),
    }
    print(json.dumps({**vars(arguments), **measured, "before_gib": round(before, 3)}))


if __name__ == "__main__":
    main()
