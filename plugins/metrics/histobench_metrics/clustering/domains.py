"""Domains found in a method's latent: what they are like, and whether they are the annotated regions.

Deliberate differences from the published search: the number of clusters is also chosen without the labels; the search
for their number says whether it succeeded; clusters are matched on the rectangular table of votes.
"""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import silhouette_score

from histobench import DataError, Float, Int, ScoreContext
from histobench_metrics.clustering.agreement import agreement, chaos, matched, pas
from histobench_metrics.clustering.columns import AGREEMENT, DOMAINS, PUBLISHED
from histobench_metrics.clustering.leiden import Leiden
from histobench_metrics.places import by_place
from histobench_metrics.tables import check_shapes

__all__ = ["domain_agreement", "domains", "published_domain_agreement"]

FEWEST = 20
"""Spots, below which eight neighbours are half of all."""

PUBLISHED_SEED = 1234
"""Of the publication (expression protocol, section 10.2)."""

_MOST = 10_000


def domains(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Cluster the latent without labels, and measure how apart the clusters lie in it and how compact on the slide.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Not read: the latent is.
    context
        With latent and places of the spots.

    Returns
    -------
    (6,) float64
        See `DOMAINS`: silhouette in the latent (of at most 10,000 spots), CHAOS, PAS, number of clusters, resolution
        and its stability. Smoothing betters the first three whatever is smoothed. NaN with fewer than twenty spots; the
        silhouette also of one cluster.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    DataError
        Without a latent.

    References
    ----------
    Rousseeuw (1987), *J. Comput. Appl. Math.* 20:53–65; Shang & Zhou (2022), *Nat. Commun.* 13:7203.
    """
    order, latent = _canonical(predicted, observed, context)
    if len(order) < FEWEST or not latent.shape[1]:
        return np.full(len(DOMAINS), np.nan)
    clusters, resolution, stability = Leiden(latent).most_stable()
    xy, slides = context.xy_um[order].astype(np.float64), context.slide_ids[order]
    lie = (chaos(clusters, xy, slides), pas(clusters, xy, slides))
    return np.array([_silhouette(latent, clusters), *lie, len(np.unique(clusters)), resolution, stability])


def domain_agreement(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Cluster the latent without labels, and compare the clusters with the annotated regions.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Not read: the latent is.
    context
        With latent and regions of the spots; all are clustered, those with a region compared.

    Returns
    -------
    (5,) float64
        See `AGREEMENT`. NaN with fewer than twenty annotated spots.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    DataError
        Without a latent.
    """
    order, latent = _canonical(predicted, observed, context)
    labels = _labels(context)[order]
    named = labels != ""
    if named.sum() < FEWEST or not latent.shape[1]:
        return np.full(len(AGREEMENT), np.nan)
    clusters = Leiden(latent).most_stable()[0]
    return np.array([*agreement(clusters[named], labels[named]), len(np.unique(clusters))], dtype=np.float64)


def published_domain_agreement(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Cluster the latent into as many clusters as there are regions, as published, and compare the two.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Not read: the latent is.
    context
        With latent and regions of the spots; all are clustered, those with a region compared.

    Returns
    -------
    (8,) float64
        See `PUBLISHED`: the number of clusters comes from the labels, which flatters; 1 in the last column where that
        number was found. NaN with fewer than twenty annotated spots.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    DataError
        Without a latent.
    """
    order, latent = _canonical(predicted, observed, context)
    labels = _labels(context)[order]
    named = labels != ""
    if named.sum() < FEWEST or not latent.shape[1]:
        return np.full(len(PUBLISHED), np.nan)
    wanted = len(np.unique(labels[named]))
    clusters, found = Leiden(latent, seed=PUBLISHED_SEED).into(wanted)
    compared = [*agreement(clusters[named], labels[named]), *matched(clusters[named], labels[named])]
    return np.array([*compared, len(np.unique(clusters)), found], dtype=np.float64)


def _canonical(predicted: Float, observed: Float, context: ScoreContext) -> tuple[Int, Float]:
    """Give an order of the spots that is not the table's, for clusters depend on it, and the latent in it."""
    check_shapes(predicted, observed)
    if context.latent is None:
        raise DataError("it needs the latent of an enhancing method, and was given none")
    order = by_place(context)
    return order, context.latent[order]


def _labels(context: ScoreContext) -> npt.NDArray[np.str_]:
    return np.full(len(context.slide_ids), "") if context.regions is None else context.regions


def _silhouette(latent: Float, clusters: Int) -> float:
    rows = np.random.default_rng(0).permutation(len(clusters))[:_MOST]
    if not 1 < len(np.unique(clusters[rows])) < len(rows):
        return float("nan")
    return float(silhouette_score(latent[rows].astype(np.float64), clusters[rows]))
