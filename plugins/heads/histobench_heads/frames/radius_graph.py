"""Which spots of one section are linked: those within a radius, or the nearest."""

import numpy as np
from scipy.spatial import cKDTree

from histobench import Float, Int

__all__ = ["nearest_links", "own_radius", "radius_links"]

_REACH = 1.5
"""Radius in distances to the nearest spot: beyond the diagonal of a square lattice, 1.41, and within the second ring of
a hexagonal one, 1.73."""


def own_radius(xy_um: Float, /) -> float:
    """Return 1.5 times the median distance of (n, 2) places to the nearest other place; 0 where there is no other."""
    if len(xy_um) < 2:
        return 0.0
    nearest = cKDTree(xy_um).query(xy_um, k=2)[0][:, 1]
    apart = nearest[nearest > 0]
    return _REACH * float(np.median(apart)) if len(apart) else 0.0


def radius_links(xy_um: Float, /, *, radius_um: float | None = None) -> Int:
    """Link (n, 2) places at most ``radius_um`` apart, or `own_radius`; not those that coincide.

    Returns
    -------
    (2, e) int64
        Source and target, both directions, sorted by target and then source.
    """
    reach = own_radius(xy_um) if radius_um is None else radius_um
    pairs = cKDTree(xy_um).query_pairs(reach, output_type="ndarray").astype(np.int64).T
    return _apart(np.concatenate([pairs, pairs[::-1]], axis=1), xy_um)


def nearest_links(xy_um: Float, /, *, k: int) -> Int:
    """Let each of (n, 2) places send to its ``k`` nearest, as published: one receives from those that list it.

    Returns
    -------
    (2, e) int64
        Source and target, sorted by target and then source; a place that coincides with the source takes one of the
        ``k`` and is not linked.
    """
    n = len(xy_um)
    listed = cKDTree(xy_um).query(xy_um, k=range(1, min(k + 1, n) + 1))[1].reshape(n, -1).astype(np.int64)
    centre = np.repeat(np.arange(n, dtype=np.int64), listed.shape[1])
    return _apart(np.stack([centre, listed.ravel()]), xy_um)


def _apart(edges: Int, xy_um: Float) -> Int:
    distinct = (xy_um[edges[0]] != xy_um[edges[1]]).any(axis=1)
    kept: Int = edges[:, distinct]
    return kept[:, np.lexsort(kept)]
