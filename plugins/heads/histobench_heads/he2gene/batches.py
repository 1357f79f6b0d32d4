"""Which spots share a step of HE2Gene: spots alone (Base), or spots with neighbours of their label (Spat).

Published for Spat: 32 spots at random, each with the patches of its eight grid neighbours, all 288 through the network,
though only neighbours of the spot's own label enter the loss, and a black patch stands for one that does not exist.
Here a step's seeds are by default one compact part of a slide, and the network sees every seed, and every neighbour
that enters the loss, once: at most nine patches a seed, in fact little more than one.
"""

from collections.abc import Callable, Iterator

import numpy as np
from scipy import sparse

from histobench import Int, Samples
from histobench.training import shuffled
from histobench_heads.frames.neighbourhoods import Batching, Subgraph, lattice_links
from histobench_heads.he2gene.options import He2GeneSpatOptions

__all__ = ["BLACK", "alike_links", "alone", "with_neighbours"]

BLACK = -1
"""Stands among a subgraph's nodes for a neighbour that does not exist."""

_NEIGHBOURS = 8


def alone(n: int, batch: int, seed: int) -> Callable[[int], Iterator[Subgraph]]:
    """Make the batches of Base: all n spots once an epoch, in random order."""

    def epoch_parts(epoch: int) -> Iterator[Subgraph]:
        for rows in shuffled(n, batch, seed=seed, epoch=epoch, drop_last=False):
            if len(rows) > 1:  # else nothing to normalise a batch by
                yield Subgraph(nodes=rows, edges=np.zeros((2, 0), np.int64), n_seeds=len(rows))

    return epoch_parts


def with_neighbours(
    samples: Samples, groups: Int, options: He2GeneSpatOptions, seed: int
) -> Callable[[int], Iterator[Subgraph]]:
    """Make the batches of Spat: all n spots a seed once an epoch, with neighbours of the same of (n,) groups.

    The samples are the training spots: a neighbour on another side of the split is none.
    """
    links = lattice_links(samples)
    alike = alike_links(links, groups)
    batching = Batching(
        samples=samples, links=alike, hops=1, part_spots=options.batch, at_random=not options.contiguous
    )
    if options.missing == "drop":
        return lambda epoch: batching.training(seed, epoch)
    seeds_only = Batching(
        samples=samples, links=alike, hops=0, part_spots=options.batch, at_random=not options.contiguous
    )
    return lambda epoch: (_surround(part.nodes, links, groups) for part in seeds_only.training(seed, epoch))


def alike_links(links: sparse.csr_matrix, groups: Int, /) -> sparse.csr_matrix:
    """Keep of (n, n) links those between spots of one group; group -1 has none."""
    pairs = links.tocoo()
    same = (groups[pairs.row] == groups[pairs.col]) & (groups[pairs.row] >= 0)
    return sparse.csr_matrix((pairs.data[same], (pairs.row[same], pairs.col[same])), shape=links.shape)


def _surround(seeds: Int, links: sparse.csr_matrix, groups: Int) -> Subgraph:
    """Put all eight neighbours of every seed behind the seeds, repeated as often as they are neighbours."""
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
