"""Which spots share a training step: contiguous parts of a slide, or the published random neighbourhoods.

For every method whose prediction of a spot needs its neighbours. Both ways choose *seeds* and then grow them, through
the one function `grow`, into the subgraph of everything within some hops. Every patch of a subgraph is encoded once.

Hist2Cell's published sampler takes 16 random seeds of all training slides; two hops around each are up to 19 spots on
the hexagonal lattice and 25 on the square one, so that an epoch encodes nearly every patch that many times. Seeds that
are side by side share most of their neighbours: a compact part of 16 on the square lattice has a halo of 48, which
makes four patches a spot and epoch instead.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from histobench import Float, Int, Samples
from histobench.data.graphs import adjacency, expand, lattice_edges
from histobench.training import generator

__all__ = ["Batching", "Subgraph", "contiguous_parts", "grow", "lattice_links"]

# Distance between neighbouring columns and rows, in spot pitches.
_PITCH = {"hex": np.array([0.5, math.sqrt(3) / 2]), "square": np.array([1.0, 1.0])}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subgraph:
    """The spots of one batch.

    Attributes
    ----------
    nodes
        (m,) int64 rows of the samples: seeds first, then hop 1, then hop 2.
    edges
        (2, e) int64 positions in ``nodes``, source and target; every link between two nodes, no self loops unless the
        links have them.
    n_seeds
        How many of the nodes are seeds; only those are predicted.
    """

    nodes: Int
    edges: Int
    n_seeds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """The batches of one set of samples.

    Attributes
    ----------
    samples
        Spots of one or several slides.
    links
        (n, n) sparse, a one at [target, source]; slides are never linked.
    hops
        How far a batch reaches beyond its seeds.
    part_spots
        Most seeds of a batch.
    at_random
        Draw seeds from all slides, and predict consecutive rows, as published; otherwise a batch grows from one
        contiguous part of one slide.
    """

    samples: Samples
    links: sparse.csr_matrix
    hops: int
    part_spots: int
    at_random: bool = False

    def training(self, seed: int, epoch: int) -> Iterator[Subgraph]:
        """Yield the batches of one epoch, with each spot as a seed once; (seed, epoch) decides.

        A single spot joins the next batch, because batch normalisation cannot be trained on one patch.
        """
        draws = generator(seed, epoch)
        if self.at_random:
            seeds = _runs(draws.permutation(len(self.samples)), self.part_spots)
        else:
            parts = contiguous_parts(self.samples, self.part_spots, angle=draws.uniform(0, math.pi / 2))
            seeds = [parts[i] for i in draws.permutation(len(parts))]
        for together in _join_lonely(self.links, seeds):
            yield grow(self.links, together, hops=self.hops)

    def prediction(self) -> Iterator[Subgraph]:
        """Yield batches in which each spot is a seed once; nothing is random."""
        if self.at_random:
            seeds = _runs(np.arange(len(self.samples)), self.part_spots)
        else:
            seeds = contiguous_parts(self.samples, self.part_spots)
        for together in seeds:
            yield grow(self.links, together, hops=self.hops)


def lattice_links(samples: Samples, /) -> sparse.csr_matrix:
    """Link spots that touch on the capture lattice: (n, n), symmetric, no self loops."""
    edges = lattice_edges(samples.array, samples.slide_ids, lattice=samples.lattice, self_loops=False)
    return adjacency(edges, len(samples))


def grow(links: sparse.csr_matrix, seeds: Int, /, *, hops: int) -> Subgraph:
    """Collect everything within some hops of the seeds, with every link between what was collected.

    Parameters
    ----------
    links
        (n, n) sparse, a one at [target, source]; a hop goes from a target to its sources.
    seeds
        (s,) rows, without repetition.
    """
    nodes = expand(links, seeds, hops=hops)
    near = links[nodes]
    target = np.repeat(np.arange(len(nodes)), np.diff(near.indptr))
    by_row = np.argsort(nodes)
    place = np.searchsorted(nodes, near.indices, sorter=by_row)
    source = by_row[np.minimum(place, len(nodes) - 1)]
    inside = nodes[source] == near.indices
    return Subgraph(nodes=nodes, edges=np.stack([source[inside], target[inside]]), n_seeds=len(seeds))


def contiguous_parts(samples: Samples, part_spots: int, /, *, angle: float = 0.0) -> list[Int]:
    """Cut every slide into compact parts of nearly equal size, by halving it across its longer side again and again.

    Parameters
    ----------
    part_spots
        Most spots in a part.
    angle
        Radians by which the slide is turned before it is cut; another angle gives other parts.

    Returns
    -------
    list of (k,) int64
        Rows of each part; every spot in one of them, no part across two slides. The order of a slide's rows does not
        matter.
    """
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    at = samples.array * _PITCH[samples.lattice] @ turn
    parts: list[Int] = []
    for _, rows in samples.by_slide():
        parts += _halve(rows, at[rows], math.ceil(len(rows) / part_spots))
    return parts


def _halve(rows: Int, at: Float, n_parts: int) -> list[Int]:
    if n_parts == 1:
        return [rows]
    along = int(np.ptp(at[:, 1]) > np.ptp(at[:, 0]))
    order = np.lexsort((at[:, 1 - along], at[:, along]))
    left = n_parts // 2
    cut = round(len(rows) * left / n_parts)
    one, other = order[:cut], order[cut:]
    return _halve(rows[one], at[one], left) + _halve(rows[other], at[other], n_parts - left)


def _runs(rows: Int, length: int) -> list[Int]:
    return [rows[start : start + length] for start in range(0, len(rows), length)]


def _join_lonely(links: sparse.csr_matrix, seeds: Sequence[Int]) -> list[Int]:
    joined: list[Int] = []
    waiting = np.empty(0, dtype=np.int64)
    for together in seeds:
        waiting = np.concatenate([waiting, together])
        if len(waiting) > 1 or links[waiting].nnz:
            joined.append(waiting)
            waiting = waiting[:0]
    if len(waiting):
        joined[-1:] = [np.concatenate([*joined[-1:], waiting])]
    return joined
