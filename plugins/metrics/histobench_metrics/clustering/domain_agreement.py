"""Agreement of the domains found in a method's latent with the annotated regions.

Deliberate differences from the published search: the number of clusters is also chosen without the labels; the search
for a given number reports whether it succeeded; clusters are matched on the rectangular table of votes.
"""

import numpy as np
import numpy.typing as npt

from histobench import Float, Int, ScoreContext
from histobench_metrics.clustering.columns import AGREEMENT, PUBLISHED
from histobench_metrics.clustering.domains import FEWEST, latent_in_order
from histobench_metrics.clustering.leiden import Leiden
from histobench_metrics.clustering.partitions import agreement, matched

__all__ = ["domain_agreement", "published_domain_agreement"]

PUBLISHED_SEED = 1234
"""Of the publication (expression protocol, section 10.2)."""


def domain_agreement(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Cluster the latent without labels, and compare the clusters with the annotated regions.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Not read.
    context
        With latent and regions of the spots. All spots are clustered; those with a region are compared.

    Returns
    -------
    (5,) float64
        See `AGREEMENT`. NaN with fewer than twenty annotated spots.
    """
    latent, labels = _tables(predicted, observed, context)
    named = labels != ""
    if named.sum() < FEWEST or not latent.shape[1]:
        return np.full(len(AGREEMENT), np.nan)
    clusters = Leiden(latent).most_stable()[0]
    return np.array([*agreement(clusters[named], labels[named]), _count(clusters)], dtype=np.float64)


def published_domain_agreement(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Cluster the latent into as many clusters as there are regions, as published, and compare the two.

    Returns
    -------
    (8,) float64
        See `PUBLISHED`, as for `domain_agreement`. The number of clusters comes from the labels, which flatters; the
        last column is 1 where that number was found.
    """
    latent, labels = _tables(predicted, observed, context)
    named = labels != ""
    if named.sum() < FEWEST or not latent.shape[1]:
        return np.full(len(PUBLISHED), np.nan)
    clusters, found = Leiden(latent, seed=PUBLISHED_SEED).into(len(np.unique(labels[named])))
    compared = [*agreement(clusters[named], labels[named]), *matched(clusters[named], labels[named])]
    return np.array([*compared, _count(clusters), found], dtype=np.float64)


def _tables(predicted: Float, observed: Float, context: ScoreContext) -> tuple[Float, npt.NDArray[np.str_]]:
    order, latent = latent_in_order(predicted, observed, context)
    return latent, np.full(len(order), "") if context.regions is None else context.regions[order]


def _count(clusters: Int) -> int:
    return len(np.unique(clusters))
