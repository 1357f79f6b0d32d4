"""Spatial neighbours: spots that touch on the capture lattice, and nearest spots.

Both rules come from the published graphs (Hist2Cell, CUCA): on the hexagonal Visium lattice |Δcolumn| < 3 and
|Δrow| < 2, on the square legacy lattice the eight neighbours; with self loops if requested. Spots of
different slides are never neighbours. Methods that read whole slides (Hist2ST, THItoGene) use a fixed number of
nearest spots instead.
"""

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.spatial import cKDTree

from histobench.data import Int, Lattice

__all__ = ["adjacency", "expand", "lattice_edges", "nearest_edges"]

# Chebyshev reach on each lattice, column first.
_REACH = {"hex": np.array([2, 1]), "square": np.array([1, 1])}


def lattice_edges(array: Int, slide_ids: npt.NDArray[np.str_], /, *, lattice: Lattice, self_loops: bool = True) -> Int:
    """Return the edges between touching spots of each slide.

    Parameters
    ----------
    array
        (n, 2) integer lattice position, column first.
    slide_ids
        (n,) slide of each spot; spots of different slides are never linked.

    Returns
    -------
    (2, e) int64
        Source and target of every edge, both directions, sorted by target and then source.
    """
    edges = [np.empty((2, 0), dtype=np.int64)]
    for slide in np.unique(slide_ids):
        rows = np.flatnonzero(slide_ids == slide)
        tree = cKDTree(array[rows] / _REACH[lattice])
        pairs = tree.query_pairs(r=1.0 + 1e-9, p=np.inf, output_type="ndarray").astype(np.int64).T
        edges += [rows[pairs], rows[pairs[::-1]]]
    if self_loops:
        edges.append(np.tile(np.arange(len(array), dtype=np.int64), (2, 1)))
    joined = np.concatenate(edges, axis=1)
    return joined[:, np.lexsort(joined)]


def nearest_edges(array: Int, slide_ids: npt.NDArray[np.str_], /, *, k: int) -> Int:
    """Return edges from the nearest spots of the same slide to every spot, without self loops.

    Distances are Euclidean between integer positions. Of equally near spots the first in the table is taken: the
    published graphs choose arbitrarily, this choice is always the same.

    Parameters
    ----------
    array
        (n, 2) integer position, in any unit; spots may share a position.
    slide_ids
        (n,) the slide of each spot.
    k
        Neighbours per spot; fewer only if the slide has fewer spots.

    Returns
    -------
    (2, e) int64
        Source (the neighbour) and target (the spot); sorted by target, nearest first.
    """
    edges = [np.empty((2, 0), dtype=np.int64)]
    for slide in np.unique(slide_ids):
        rows = np.flatnonzero(slide_ids == slide)
        edges.append(rows[_nearest(np.asarray(array[rows], dtype=np.int64), min(k, len(rows) - 1))])
    joined = np.concatenate(edges, axis=1)
    return joined[:, np.argsort(joined[1], kind="stable")]


def adjacency(edges: Int, n: int, /) -> sparse.csr_matrix:
    """Return edges as a sparse (n, n) matrix with ones at [target, source]."""
    ones = np.ones(edges.shape[1], dtype=np.int8)
    return sparse.csr_matrix((ones, (edges[1], edges[0])), shape=(n, n))


def expand(links: sparse.csr_matrix, seeds: Int, /, *, hops: int) -> Int:
    """Return the seeds and all spots within some hops of them.

    Returns
    -------
    (m,) int64
        Seeds first in their order, then hop 1, then hop 2 …; each hop sorted; no spot twice.
    """
    found = [np.asarray(seeds, dtype=np.int64)]
    seen = np.zeros(links.shape[0], dtype=bool)
    seen[found[0]] = True
    for _ in range(hops):
        near = np.unique(links[found[-1]].indices)
        fresh = near[~seen[near]].astype(np.int64)
        seen[fresh] = True
        found.append(fresh)
    return np.concatenate(found)


def _nearest(at: Int, k: int) -> Int:
    """Link each of (n, 2) positions to its ``k`` nearest others: (2, n k) source and target."""
    if k < 1:
        return np.empty((2, 0), dtype=np.int64)
    tree = cKDTree(at)
    reach = tree.query(at, k=[k + 1])[0][:, 0]  # the k-th other: the spot itself is included
    # all spots as near as that one are candidates: the tree returns equally near spots in arbitrary order
    near = tree.query_ball_point(at, reach + 1e-6)
    target = np.repeat(np.arange(len(at)), [len(rows) for rows in near])
    source = np.concatenate([np.asarray(rows, dtype=np.int64) for rows in near])
    target, source = target[target != source], source[target != source]
    distance = ((at[target] - at[source]) ** 2).sum(axis=1)  # integers, so ties are exact
    order = np.lexsort((source, distance, target))
    target, source = target[order], source[order]
    first = np.searchsorted(target, target)  # the first candidate of each target
    kept = np.arange(len(target)) - first < k
    return np.stack([source[kept], target[kept]])
