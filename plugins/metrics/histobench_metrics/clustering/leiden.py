"""Leiden clusters of a graph, with the number of clusters that is most stable, or with a given number.

igraph draws from one random generator of the process, so it is given a seeded one during a call. scanpy's ``leiden``
seeds igraph from numpy instead: on one graph and seed its clusters differ (ARI 0.5 to 0.7 on noise), and so would
every stored score.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations

import igraph
import numpy as np

from histobench import Float, Int
from histobench_metrics.clustering.graph import link_nearest
from histobench_metrics.clustering.partitions import adjusted_rand

__all__ = ["RESOLUTIONS", "Leiden"]

RESOLUTIONS = tuple(round(0.2 * step, 1) for step in range(1, 11))
"""The grid from which the most stable resolution is taken: from a few coarse domains to domains as fine as patches."""

_PARTS, _SHARE, _LARGEST = 3, 0.8, 5000
"""Number, share and largest size of the random parts of the spots that are clustered separately."""

_HIGHEST, _ROUNDS, _PRECISION = 3.0, 200, 1e-6
_FALLBACK = np.linspace(0.0, _HIGHEST, 31)
"""Range, rounds, end and fallback of the search for a number of clusters (expression protocol, section 10.3)."""

_TIE = 1e-9


class Leiden:
    """Leiden clusters of the spots in their latent.

    Parameters
    ----------
    latent
        (n, d), at least three spots.
    seed
        Of everything drawn.

    References
    ----------
    Traag, Waltman & van Eck (2019), *Sci. Rep.* 9:5233; modularity with a resolution, run until it is stable.
    """

    def __init__(self, latent: Float, *, seed: int = 0) -> None:
        self._latent = latent
        self._seed = seed
        links = link_nearest(latent)
        self._graph = igraph.Graph(n=len(latent), edges=np.stack([links.row, links.col], axis=1).tolist())
        self._graph.es["weight"] = links.data.tolist()

    def at(self, resolution: float) -> Int:
        """Cluster at one resolution: (n,) numbers from 0."""
        with _drawing_from(self._seed):
            found = self._graph.community_leiden(
                objective_function="modularity", weights="weight", resolution=resolution, n_iterations=-1
            )
        return np.asarray(found.membership, dtype=np.int64)

    def most_stable(self) -> tuple[Int, float, float]:
        """Cluster at the resolution of the grid at which random parts of the spots are clustered most alike.

        Three random parts, each of 80 % of the spots and at most 5,000, are linked and clustered separately; two are
        compared by the adjusted Rand index over the spots in both. A single cluster is always stable and informs about
        nothing: it is taken only where no resolution yields more. Of equally stable resolutions the finest is taken. No
        label is used.

        Returns
        -------
        (n,) clusters, the resolution, its stability
            Stability is NaN where there is only one cluster.

        References
        ----------
        Ben-Hur, Elisseeff & Guyon (2002), *Pac. Symp. Biocomput.* 7:6–17; Lange et al. (2004), *Neural Comput.*
        16:1299–1323.
        """
        draw = np.random.default_rng(self._seed)
        n = len(self._latent)
        size = min(max(3, round(_SHARE * n)), _LARGEST, n)
        rows = [np.sort(draw.permutation(n)[:size]) for _ in range(_PARTS)]
        parts = [(part, Leiden(self._latent[part], seed=self._seed + place)) for place, part in enumerate(rows)]
        alike = np.array([_stability(parts, n=n, resolution=resolution) for resolution in RESOLUTIONS])
        if np.isnan(alike).all():
            return self.at(RESOLUTIONS[0]), RESOLUTIONS[0], float("nan")
        best = np.flatnonzero(alike >= np.nanmax(alike) - _TIE)[-1]
        return self.at(RESOLUTIONS[best]), RESOLUTIONS[best], float(alike[best])

    def into(self, wanted: int) -> tuple[Int, bool]:
        """Search for the resolution with a given number of clusters: (n,) clusters, and whether the number was found.

        Bisects the interval [0, 3]. If that does not find the number, the closest of 31 resolutions in it is taken.
        """
        low, high = 0.0, _HIGHEST
        for _ in range(_ROUNDS):
            if high - low < _PRECISION:
                break
            middle = (low + high) / 2
            found = self.at(middle)
            if _count(found) == wanted:
                return found, True
            low, high = (low, middle) if _count(found) > wanted else (middle, high)
        tried = [self.at(resolution) for resolution in _FALLBACK]
        closest = min(tried, key=lambda clusters: abs(_count(clusters) - wanted))
        return closest, _count(closest) == wanted


def _stability(parts: Sequence[tuple[Int, Leiden]], *, n: int, resolution: float) -> float:
    """Average the agreement of the clusters of the parts; NaN where a part has a single cluster."""
    table = np.full((len(parts), n), -1)
    for row, (part, clusters) in enumerate(parts):
        table[row, part] = clusters.at(resolution)
        if _count(table[row, part]) < 2:
            return float("nan")
    pairs = [(table[one], table[other]) for one, other in combinations(range(len(parts)), 2)]
    in_both = [(one >= 0) & (other >= 0) for one, other in pairs]
    alike = [adjusted_rand(one[rows], other[rows]) for (one, other), rows in zip(pairs, in_both, strict=True)]
    return float(np.mean(alike))


def _count(clusters: Int) -> int:
    return len(np.unique(clusters))


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    igraph.set_random_number_generator(random.Random(seed))  # noqa: S311 -- no secret
    try:
        yield
    finally:
        igraph.set_random_number_generator(random)
