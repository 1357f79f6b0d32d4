"""Geometry of the points of several slides in one space: mixing of slides, separation of tissue, modality gap.

Definitions follow ``generative_metrics.md``, section 5, and scIB. Every score is higher where the space is better,
except the Rand index and the mutual information with slides, which should be 0. Neighbours and clusters are scanpy's,
as published.

References
----------
Traag, Waltman & van Eck (2019), *Sci. Rep.* 9:5233: Leiden. Luecken et al. (2022), *Nat. Methods* 19:41–50: scIB.
Korsunsky et al. (2019), *Nat. Methods* 16:1289–1296: LISI.
"""

import anndata
import numpy as np
import numpy.typing as npt
import scanpy
from scipy import sparse
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import (
    adjusted_rand_score,
    normalized_mutual_info_score,
    silhouette_samples,
    silhouette_score,
)
from sklearn.neighbors import NearestNeighbors

from histobench.data import Float, Int

__all__ = [
    "connectivity",
    "joint_clusters",
    "leiden",
    "local_labels",
    "matched_clusters",
    "meeting",
    "mixing",
    "neighbour_graph",
    "neighbour_table",
    "reduced",
    "transfer_accuracy",
    "unit_rows",
]

NEIGHBOURS = 15  # generative_metrics, section 5.2
RESOLUTION = 0.35  # generative_metrics, section 5.2: with all genes
_COMPONENTS = 50  # generative_metrics, section 5.2
_ITERATIONS = 2  # generative_metrics, section 5.2
_PER_SLIDE = 5  # generative_metrics, section 5.1
_LISI_NEIGHBOURS, _PER_PERPLEXITY = 90, 3  # Luecken et al. (2022), Methods: LISI of the 90 nearest at perplexity 30
_HALVINGS = 60

Labels = npt.NDArray[np.str_]


def unit_rows(vectors: Float, /) -> Float:
    """Scale (n, d) vectors to length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    scaled: Float = vectors / np.where(lengths > 0, lengths, 1.0)
    return scaled


def neighbour_graph(vectors: Float, /, *, neighbours: int = NEIGHBOURS) -> sparse.csr_matrix:
    """Link each of (n, d) points to its nearest by Euclidean distance: (n, n) symmetric, of ones."""
    nearest = NearestNeighbors(n_neighbors=min(neighbours, len(vectors) - 1)).fit(vectors)
    graph = nearest.kneighbors_graph()  # without itself
    return graph.maximum(graph.T).tocsr()


def joint_clusters(vectors: Float, /) -> Int:
    """Cluster (n, d) points by Leiden on their nearest neighbours: (n,) from 0, the largest cluster first."""
    return leiden(neighbour_table(vectors)) if len(vectors) > 2 else np.zeros(len(vectors), dtype=np.int64)


def neighbour_table(vectors: Float, /) -> anndata.AnnData:
    """Make scanpy's neighbour graph of (n, d) points, from three on, in their first 50 principal components."""
    table = anndata.AnnData(reduced(vectors).astype(np.float64))
    scanpy.pp.neighbors(table, n_neighbors=min(NEIGHBOURS, len(vectors) - 1), use_rep="X", random_state=0)
    return table


def leiden(table: anndata.AnnData, /) -> Int:
    """Cluster the points of a `neighbour_table`: (n,) from 0, the largest cluster first."""
    scanpy.tl.leiden(
        table, resolution=RESOLUTION, n_iterations=_ITERATIONS, flavor="igraph", directed=False, random_state=0
    )
    return _by_size(table.obs["leiden"].to_numpy().astype(np.int64))


def matched_clusters(vectors: Float, slide_ids: Labels, /, *, clusters: int = _PER_SLIDE, seed: int = 0) -> Int:
    """Cluster the (n, d) points of each slide separately, and match clusters of different slides by direction: (n,).

    The clusters of every slide are matched to those of the slide with most spots by the cosine of their centroids (Kuhn
    1955). The published matching is by hand.
    """
    names, counts = np.unique(slide_ids, return_counts=True)
    found = np.zeros(len(vectors), dtype=np.int64)
    first: Float | None = None
    for slide in names[np.argsort(-counts, kind="stable")]:
        rows = np.flatnonzero(slide_ids == slide)
        fitted = KMeans(min(clusters, len(rows)), random_state=seed, n_init=4).fit(vectors[rows])
        centroids = unit_rows(fitted.cluster_centers_)
        if first is None:
            first = centroids
        renamed = dict(zip(*(part.tolist() for part in linear_sum_assignment(-(centroids @ first.T))), strict=True))
        found[rows] = [renamed[int(cluster)] for cluster in fitted.labels_]
    return found


def mixing(vectors: Float, /, *, joint: Int, biology: Labels | Int, slide_ids: Labels) -> dict[str, float]:
    """Score how well (n, d) points preserve the (n,) biology and how well they hide the (n,) slide.

    Parameters
    ----------
    joint
        (n,) clusters of the points of all slides.

    Returns
    -------
    dict
        ``ARI`` and ``NMI`` of the joint clusters with biology and with slides, ``silhouette`` of both in [0, 1],
        ``connectivity`` of the classes of biology, ``cLISI`` and ``iLISI`` in [0, 1]: 1 where neighbours are all of
        one class, and where all slides are equally frequent among them (`local_labels`, median). NaN where there is
        only one class or slide.
    """
    undefined = float("nan")
    classes, slides = len(np.unique(biology)), len(np.unique(slide_ids))
    scores = dict.fromkeys(
        ("ARI biology", "NMI biology", "ARI slide", "NMI slide", "silhouette biology", "silhouette slide"), undefined
    )
    scores |= dict.fromkeys(("cLISI", "iLISI"), undefined)
    if classes > 1:
        scores["ARI biology"] = float(adjusted_rand_score(biology, joint))
        scores["NMI biology"] = float(normalized_mutual_info_score(biology, joint))
        scores["cLISI"] = float((classes - np.median(local_labels(vectors, biology))) / (classes - 1))
    if slides > 1:
        scores["ARI slide"] = float(adjusted_rand_score(slide_ids, joint))
        scores["NMI slide"] = float(normalized_mutual_info_score(slide_ids, joint))
        scores["silhouette slide"] = _silhouette_slide(vectors, biology, slide_ids)
        scores["iLISI"] = float((np.median(local_labels(vectors, slide_ids)) - 1) / (slides - 1))
    if 1 < classes < len(vectors):
        scores["silhouette biology"] = (float(silhouette_score(vectors, biology)) + 1) / 2
    return {**scores, "connectivity": connectivity(vectors, biology) if classes > 1 else undefined}


def connectivity(vectors: Float, biology: Labels | Int, /) -> float:
    """Average over classes the share of (n, d) points that are connected with most of their class.

    Points are connected through nearest neighbours of the same class.
    """
    graph = neighbour_graph(vectors)
    shares = []
    for name in np.unique(biology):
        rows = np.flatnonzero(biology == name)
        parts = connected_components(graph[rows][:, rows], directed=False)[1]
        shares.append(np.bincount(parts).max() / len(rows))
    return float(np.mean(shares))


def local_labels(vectors: Float, labels: Labels | Int, /) -> Float:
    """Return the effective number of labels around each of (n, d) points: (n,) from 1, the inverse Simpson's index.

    The nearest points, at most 90, are weighted by a Gaussian of their distance whose perplexity is a third of their
    number. The index is one over the chance that two points drawn with these weights have the same label (Korsunsky et
    al. 2019).
    """
    nearest = NearestNeighbors(n_neighbors=min(_LISI_NEIGHBOURS, len(vectors) - 1)).fit(vectors)
    distances, numbers = nearest.kneighbors()  # without itself
    weights = _at_perplexity(distances**2, distances.shape[1] / _PER_PERPLEXITY)
    codes = np.unique(labels, return_inverse=True)[1][numbers]
    alike = sum((weights * (codes == code)).sum(axis=1) ** 2 for code in range(codes.max() + 1))
    found: Float = 1.0 / alike
    return found


def _at_perplexity(squares: Float, perplexity: float) -> Float:
    """Convert (n, k) squared distances to weights that sum to 1 and have a given perplexity, by bisection."""
    excess = squares - squares.min(axis=1, keepdims=True)
    excess = excess / np.maximum(excess.mean(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    low, high = np.full(len(squares), -20.0), np.full(len(squares), 20.0)  # logarithms of the kernel's sharpness
    weights: Float = np.ones_like(excess)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        weights = np.exp(-np.exp(middle)[:, None] * excess)
        weights /= weights.sum(axis=1, keepdims=True)
        entropy = -(weights * np.log(np.maximum(weights, np.finfo(np.float64).tiny))).sum(axis=1)
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    return weights


def transfer_accuracy(vectors: Float, biology: Labels | Int, slide_ids: Labels, /) -> float:
    """Return the share of (n, d) points whose nearest neighbours on other slides vote for their own class.

    Classes that are on no other slide are left out; NaN where none is left. Ties go to the first class in order.
    """
    classes, codes = np.unique(biology, return_inverse=True)
    right: list[bool] = []
    for slide in np.unique(slide_ids):
        here, there = np.flatnonzero(slide_ids == slide), np.flatnonzero(slide_ids != slide)
        here = here[np.isin(codes[here], codes[there])]
        if not len(here):
            continue
        nearest = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(there))).fit(vectors[there])
        votes = np.eye(len(classes))[codes[there][nearest.kneighbors(vectors[here], return_distance=False)]].sum(axis=1)
        right += (votes.argmax(axis=1) == codes[here]).tolist()
    return float(np.mean(right)) if right else float("nan")


def meeting(image: Float, expression: Float, /) -> dict[str, float]:
    """Compare the (n, d) image vectors and the (n, d) expression vectors of the same spots.

    Returns
    -------
    dict
        ``modality gap``: the distance between the means of the unit vectors of both sides. ``paired cosine`` and
        ``unpaired cosine``: the means over the two vectors of one spot, and over those of different spots; the latter
        is NaN with one spot.
    """
    one, other = unit_rows(image), unit_rows(expression)
    paired = float((one * other).sum(axis=1).mean())
    n = len(one)
    everything = float(one.mean(axis=0) @ other.mean(axis=0))
    return {
        "modality gap": float(np.linalg.norm(one.mean(axis=0) - other.mean(axis=0))),
        "paired cosine": paired,
        "unpaired cosine": (n * everything - paired) / (n - 1) if n > 1 else float("nan"),
    }


def reduced(vectors: Float, /) -> Float:
    """Return the first 50 principal components of (n, d) points, or all dimensions where there are at most 50."""
    if vectors.shape[1] <= _COMPONENTS:
        return vectors
    n_components = min(_COMPONENTS, len(vectors))
    components: Float = PCA(n_components=n_components, svd_solver="full").fit_transform(vectors)
    return components


def _by_size(clusters: Int) -> Int:
    """Return the clusters numbered by decreasing size; of equal ones, the first seen comes first."""
    _, first, codes, counts = np.unique(clusters, return_index=True, return_inverse=True, return_counts=True)
    place = np.empty(len(counts), dtype=np.int64)
    place[np.lexsort((first, -counts))] = np.arange(len(counts))
    renamed: Int = place[codes]
    return renamed


def _silhouette_slide(vectors: Float, biology: Labels | Int, slide_ids: Labels) -> float:
    """Average 1 - |silhouette by slide| over the classes that are on several slides."""
    values = []
    for name in np.unique(biology):
        rows = np.flatnonzero(biology == name)
        if 1 < len(np.unique(slide_ids[rows])) < len(rows):
            values.append(float((1 - np.abs(silhouette_samples(vectors[rows], slide_ids[rows]))).mean()))
    return float(np.mean(values)) if values else float("nan")
