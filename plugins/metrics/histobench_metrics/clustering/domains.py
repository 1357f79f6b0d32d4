"""Domains found in a method's latent: how separate they are there, and how compact on the slide."""

import numpy as np
from sklearn.metrics import silhouette_score

from histobench import DataError, Float, Int, ScoreContext
from histobench_metrics.clustering.columns import DOMAINS
from histobench_metrics.clustering.leiden import Leiden
from histobench_metrics.clustering.partitions import chaos, pas
from histobench_metrics.places import by_place
from histobench_metrics.tables import check_shapes

__all__ = ["FEWEST", "domains", "latent_in_order"]

FEWEST = 20
"""Fewest spots to cluster: with fewer, eight neighbours are half of all."""

_MOST = 10_000


def domains(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Cluster the latent without labels, and measure how separate the clusters are in it and how compact on the slide.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Not read.
    context
        With latent and places of the spots.

    Returns
    -------
    (6,) float64
        See `DOMAINS`: silhouette in the latent (of at most 10,000 spots), CHAOS, PAS, number of clusters, resolution
        and its stability. Any smoothing improves the first three. NaN with fewer than twenty spots; the silhouette
        also for one cluster.

    References
    ----------
    Rousseeuw (1987), *J. Comput. Appl. Math.* 20:53–65; Shang & Zhou (2022), *Nat. Commun.* 13:7203.
    """
    order, latent = latent_in_order(predicted, observed, context)
    if len(order) < FEWEST or not latent.shape[1]:
        return np.full(len(DOMAINS), np.nan)
    clusters, resolution, stability = Leiden(latent).most_stable()
    xy, slides = context.xy_um[order].astype(np.float64), context.slide_ids[order]
    compactness = (chaos(clusters, xy, slides), pas(clusters, xy, slides))
    return np.array([_silhouette(latent, clusters), *compactness, len(np.unique(clusters)), resolution, stability])


def latent_in_order(predicted: Float, observed: Float, context: ScoreContext) -> tuple[Int, Float]:
    """Return an order of the spots that does not depend on the table's, (n,), and the (n, k) latent in it.

    Clusters depend on the order of the spots; scores must not.
    """
    check_shapes(predicted, observed)
    if context.latent is None:
        raise DataError("it needs the latent of an enhancing method, and was given none")
    order = by_place(context)
    return order, context.latent[order]


def _silhouette(latent: Float, clusters: Int) -> float:
    rows = np.random.default_rng(0).permutation(len(clusters))[:_MOST]
    if not 1 < len(np.unique(clusters[rows])) < len(rows):
        return float("nan")
    return float(silhouette_score(latent[rows].astype(np.float64), clusters[rows]))
