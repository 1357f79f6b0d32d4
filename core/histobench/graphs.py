"""Spatial neighbours: which spots touch on the capture lattice, and who is near.

Both rules come from the published graphs (Hist2Cell, CUCA): on the hexagonal Visium lattice |Δcolumn| < 3 and
|Δrow| < 2, on the square legacy lattice the eight neighbours; self loops included where asked for. Slides never touch.
"""

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.spatial import cKDTree

from histobench.data import Int, Lattice

__all__ = ["adjacency", "expand", "lattice_edges"]

# Chebyshev reach on each lattice, column first.
_REACH = {"hex": np.array([2, 1]), "square": np.array([1, 1])}


def lattice_edges(array: Int, slide_ids: npt.NDArray[np.str_], /, *, lattice: Lattice, self_loops: bool = True) -> Int:
    """Link spots that touch, slide by slide.

    Parameters
    ----------
    array
        (n, 2) integer lattice position, column first.
    slide_ids
        (n,) the slide of each spot; spots of different slides are never linked.

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


def adjacency(edges: Int, n: int, /) -> sparse.csr_matrix:
    """Turn edges into a sparse (n, n) matrix with a one at [target, source]."""
    ones = np.ones(edges.shape[1], dtype=np.int8)
    return sparse.csr_matrix((ones, (edges[1], edges[0])), shape=(n, n))


def expand(links: sparse.csr_matrix, seeds: Int, /, *, hops: int) -> Int:
    """Collect the seeds and everything within some hops of them.

    Returns
    -------
    (m,) int64
        Seeds first in their order, then hop 1, then hop 2 …; each hop sorted; nothing twice.
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
