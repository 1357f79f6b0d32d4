"""Comparison of two partitions of the same spots, and how compact domains are on the slide."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score

from histobench import Float, Int

__all__ = ["adjusted_rand", "agreement", "chaos", "matched", "pas", "purity"]

_ABOUT, _OTHERS = 10, 6
"""A spot is abnormal if, of so many neighbours, at least so many are in another domain (Shang & Zhou 2022)."""


def agreement(clusters: Int, labels: npt.NDArray[np.str_], /) -> list[float]:
    """Compare (n,) clusters with (n,) labels: ARI, NMI (arithmetic), AMI and purity.

    References
    ----------
    Hubert & Arabie (1985), *J. Classif.* 2:193–218; Vinh, Epps & Bailey (2010), *J. Mach. Learn. Res.* 11:2837–2854.
    """
    return [
        adjusted_rand(clusters, labels),
        float(normalized_mutual_info_score(labels, clusters)),
        float(adjusted_mutual_info_score(labels, clusters)),
        purity(clusters, labels),
    ]


def adjusted_rand(one: npt.NDArray[Any], other: npt.NDArray[Any], /) -> float:
    """Compare two partitions of (n,) spots: 1 if identical, 0 by chance; 1 too where both have a single part."""
    votes = _votes(one, other)
    pairs = [float((counts * (counts - 1)).sum()) / 2 for counts in (votes, votes.sum(axis=1), votes.sum(axis=0))]
    both, first, second = pairs
    chance = first * second / max(len(one) * (len(one) - 1) / 2, 1)
    best = (first + second) / 2
    return (both - chance) / (best - chance) if best != chance else 1.0


def purity(clusters: Int, labels: npt.NDArray[np.str_], /) -> float:
    """Return the share of n spots with the commonest label of their cluster; it grows with the number of clusters."""
    return float(_votes(clusters, labels).max(axis=1).sum() / len(labels))


def matched(clusters: Int, labels: npt.NDArray[np.str_], /) -> tuple[float, float]:
    """Match (n,) clusters with (n,) labels one to one, so that most spots agree: accuracy, and macro F1.

    A surplus cluster matches nothing; a surplus label is never predicted, and its F1 is zero.

    References
    ----------
    Kuhn (1955), *Nav. Res. Logist. Q.* 2:83–97, on the rectangular table of votes.
    """
    votes = _votes(clusters, labels)
    rows, columns = linear_sum_assignment(votes, maximize=True)
    hits = np.zeros(votes.shape[1])
    predicted = np.zeros(votes.shape[1])
    hits[columns], predicted[columns] = votes[rows, columns], votes.sum(axis=1)[rows]
    f1 = 2.0 * hits / (predicted + votes.sum(axis=0))
    return float(hits.sum() / len(labels)), float(f1.mean())


def chaos(clusters: Int, xy: Float, slide_ids: npt.NDArray[np.str_], /) -> float:
    """Average each spot's distance to the nearest spot of its domain on its slide, on standardised places.

    Parameters
    ----------
    clusters, xy, slide_ids
        (n,), (n, 2), (n,).

    Returns
    -------
    float, at least 0
        Low where domains are compact. A spot alone in its domain does not count; NaN if all are alone.

    References
    ----------
    Shang & Zhou (2022), *Nat. Commun.* 13:7203.
    """
    found = [np.empty(0)]
    for slide in np.unique(slide_ids):
        here = slide_ids == slide
        spread = xy[here].std(axis=0)
        places = (xy[here] - xy[here].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        for domain in np.unique(clusters[here]):
            own = places[clusters[here] == domain]
            if len(own) > 1:
                found.append(cKDTree(own).query(own, k=2)[0][:, 1])
    distances = np.concatenate(found)
    return float(distances.mean()) if distances.size else float("nan")


def pas(clusters: Int, xy: Float, slide_ids: npt.NDArray[np.str_], /) -> float:
    """Return the share of abnormal spots: at least six of the ten nearest on the slide are in another domain.

    Parameters
    ----------
    clusters, xy, slide_ids
        (n,), (n, 2), (n,).

    Returns
    -------
    float in [0, 1]
        NaN if no slide has eleven spots.

    References
    ----------
    Shang & Zhou (2022), *Nat. Commun.* 13:7203.
    """
    found = [np.empty(0, dtype=np.bool_)]
    for slide in np.unique(slide_ids):
        here = slide_ids == slide
        if here.sum() > _ABOUT:
            nearest = cKDTree(xy[here]).query(xy[here], k=_ABOUT + 1)[1][:, 1:]
            others = clusters[here][nearest] != clusters[here][:, None]
            found.append(others.sum(axis=1) >= _OTHERS)
    abnormal = np.concatenate(found)
    return float(abnormal.mean()) if abnormal.size else float("nan")


def _votes(clusters: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Int:
    """Count the spots of each cluster (row) with each label (column)."""
    rows = np.unique(clusters, return_inverse=True)[1]
    columns = np.unique(labels, return_inverse=True)[1]
    votes = np.zeros((rows.max(initial=-1) + 1, columns.max(initial=-1) + 1), dtype=np.int64)
    np.add.at(votes, (rows, columns), 1)
    return votes
