"""Peak memory and seconds of a training step of GIST on one section, as JSON; ours or plain indexing along edges.

A process has only one peak, so each measurement is a separate process::

    python benchmarks/gist_memory.py --spots 50000
    python benchmarks/gist_memory.py --spots 5000 --plain

The plain formulation is that of graph libraries: the vectors at both ends of every edge are gathered and kept for the
backward pass. It computes the same values from the same weights. Spots are on a hexagonal lattice.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from histobench_heads.frames.radius_graph import radius_links
from histobench_heads.gist.attention import GraphTransformerLayer, softmax_by_target
from histobench_heads.gist.method import Section, losses
from histobench_heads.gist.network import GistNetwork
from histobench_heads.gist.options import GistOptions


class PlainLayer(GraphTransformerLayer):
    """The same layer, with a vector for every edge."""

    @override
    def forward(self, nodes: Tensor, edges: Tensor) -> Tensor:
        source, target = edges
        asked, offered = self.lin_query(nodes)[target], self.lin_key(nodes)[source]
        scores = (asked * offered).sum(dim=1) / self.lin_key.out_features**0.5
        weights = softmax_by_target(scores, target, len(nodes))
        kept = self.lin_skip(nodes)
        sent = weights[:, None] * self.lin_value(nodes)[source]
        return torch.zeros_like(kept).index_add(0, target, sent) + kept


def make_section(n: int, *, genes: int, dim: int) -> Section:
    """Return a section of ``n`` spots with random expression and embeddings."""
    side = int(np.ceil(n**0.5))
    column, row = np.meshgrid(np.arange(side), np.arange(side))
    at = np.stack([column + 0.5 * (row % 2), row * 0.75**0.5], axis=-1).reshape(-1, 2)[:n] * 100.0
    draw = torch.Generator().manual_seed(0)
    return Section(
        expression=torch.rand(n, genes, generator=draw),
        image=torch.randn(n, dim, generator=draw),
        edges=torch.from_numpy(radius_links(at)),
    )


def make_network(section: Section, *, hidden: int, plain: bool = False) -> GistNetwork:
    """Return a network for a section with weights from seed 0."""
    torch.manual_seed(0)
    network = GistNetwork(section.expression.shape[1], section.image.shape[1], hidden=hidden)
    if plain:
        for part in network.modules():
            if isinstance(part, GraphTransformerLayer):
                part.__class__ = PlainLayer
    return network


def train_step(network: GistNetwork, section: Section, options: GistOptions) -> float:
    """Take one step of Adam, and return the seconds it took."""
    optimiser = torch.optim.Adam(network.parameters(), lr=options.lr, weight_decay=options.weight_decay)
    begun = time.perf_counter()
    losses(network(*section), section, options)["loss"].backward()
    nn.utils.clip_grad_norm_(network.parameters(), options.clip)
    optimiser.step()
    return time.perf_counter() - begun


def kept_bytes(network: GistNetwork, section: Section, options: GistOptions) -> int:
    """Return the bytes that a forward pass keeps for the backward pass, without weights."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = losses(network(*section), section, options)["loss"]
    assert loss.requires_grad  # the loss keeps all storages alive, so that none is counted twice
    return sum(kept.values())


def peak_gib() -> float:
    """Return the most memory that this process has ever held, in GiB."""
    # not from getrusage, where a child process starts with the peak of its parent
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kib = next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]
    return int(kib) / 2**20


def main() -> None:
    """Measure the sizes from the command line; the default is the published size on CosMx's panel."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--spots", type=int, default=5000)
    parser.add_argument("--genes", type=int, default=980)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--plain", action="store_true")
    arguments = parser.parse_args()
    section = make_section(arguments.spots, genes=arguments.genes, dim=arguments.dim)
    network = make_network(section, hidden=arguments.hidden, plain=arguments.plain)
    before = peak_gib()
    cpu = time.process_time()  # less affected than wall time by other work on the machine
    seconds = train_step(network, section, GistOptions())
    cpu = time.process_time() - cpu
    measured = {
        "edges": section.edges.shape[1],
        "seconds": round(seconds, 2),
        "cpu_seconds_per_1000_spots": round(cpu * 1000 / arguments.spots, 3),
        "peak_gib": round(peak_gib(), 3),
        "step_gib": round(peak_gib() - before, 3),
    }
    print(json.dumps({**vars(arguments), **measured}))


if __name__ == "__main__":
    main()
