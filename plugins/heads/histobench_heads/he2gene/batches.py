"""Which spots share a step of HE2Gene: spots alone (Base), or spots with neighbours of their label (Spat).

Published for Spat: 32 random spots, each with the patches of its eight grid neighbours, pass all 288 patches through
the network, although only neighbours with the spot's own label enter the loss; a black patch replaces a neighbour that
does not exist. Here the seeds of a step are by default one compact part of a slide, and the network sees every seed and
every neighbour that enters the loss once: at most nine patches per seed, in practice little more than one.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from scipy import sparse

from histobench import Int, Samples
from histobench.training import shuffled
from histobench_heads.frames.neighbourhoods import Batching, Subgraph, lattice_links
from histobench_heads.he2gene.options import He2GeneSpatOptions

__all__ = ["BLACK", "alike_links", "alone", "with_neighbours"]

BLACK = -1
"""Replaces a neighbour that does not exist among the nodes of a subgraph."""

_NEIGHBOURS = 8


def alone(n: int, batch: int, seed: int) -> Callable[[int], Iterator[Subgraph]]:
    """Make the batches of Base: all n spots once an epoch, in random order."""

    def epoch_parts(epoch: int) -> Iterator[Subgraph]:
        for rows in shuffled(n, batch, seed=seed, epoch=epoch, drop_last=False):
            if len(rows) > 1:  # batch normalisation needs two
                yield Subgraph(nodes=rows, edges=np.zeros((2, 0), np.int64), n_seeds=len(rows))

    return epoch_parts


def with_neighbours(
    samples: Samples, groups: Int, options: He2GeneSpatOptions, seed: int
) -> Callable[[int], Iterator[Subgraph]]:
    """Make the batches of Spat: each of n spots is a seed once an epoch, with neighbours of its own of (n,) groups.

    The samples are the training spots: neighbours in another part of the split do not count.
    """
    links = lattice_links(samples)
    alike = alike_links(links, groups)
    batching = Batching(
        samples=samples, links=alike, hops=1, part_spots=options.batch, at_random=not options.contiguous
    )
    if options.missing == "drop":
        return lambda epoch: batching.training(seed, epoch)
    seeds_only = replace(batching, hops=0)
    return lambda epoch: (_surround(part.nodes, links, groups) for part in seeds_only.training(seed, epoch))


def alike_links(links: sparse.csr_matrix, groups: Int, /) -> sparse.csr_matrix:
    """Keep the (n, n) links between spots of the same group; group -1 has no links."""
    pairs = links.tocoo()
    same = (groups[pairs.row] == groups[pairs.col]) & (groups[pairs.row] >= 0)
    return sparse.csr_matrix((pairs.data[same], (pairs.row[same], pairs.col[same])), shape=links.shape)


def _surround(seeds: Int, links: sparse.csr_matrix, groups: Int) -> Subgraph:
    """Append all eight neighbours of every seed to the seeds; a neighbour of several seeds is repeated."""
    around = np.full((len(seeds), _NEIGHBOURS), BLACK, dtype=np.int64)
    for place, seed in enumerate(seeds):
        near = links[seed].indices
        around[place, : len(near)] = near
    alike = (around != BLACK) & (groups[around] == groups[seeds][:, None]) & (groups[seeds][:, None] >= 0)
    spot, which = np.nonzero(alike)
    return Subgraph(
        nodes=np.concatenate([seeds, around.ravel()]),
        edges=np.stack([len(seeds) + spot * _NEIGHBOURS + which, spot]),
        n_seeds=len(seeds),
    )
