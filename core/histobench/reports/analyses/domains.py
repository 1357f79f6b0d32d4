"""Spatial domains: tissue divided into regions by the predictions, by the observations and by labels.

Targets are standardised on each slide, reduced to at most 20 principal components and clustered by a Gaussian mixture
with one covariance, as the published analyses of legacy arrays do. The number of domains is chosen on the observed
side only, by the largest silhouette between 2 and 8, and used for both sides: no label and no prediction decides it.

References
----------
Hubert & Arabie (1985), *J. Classif.* 2:193–218: the adjusted Rand index. Rousseeuw (1987), *J. Comput. Appl. Math.*
20:53–65: silhouettes.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score
from sklearn.mixture import GaussianMixture

from histobench.data import Float, Int, SlideResult
from histobench.errors import DataError
from histobench.reports.analyses.findings import AMOUNTS, Cell, Findings, StudyResults, label_of
from histobench.reports.analyses.labels import slide_labels

__all__ = ["analyse_domains", "choose_domains", "match_domains"]

_MOST_COMPONENTS, _MOST_DOMAINS = 20, 8
_FEWEST_SPOTS = 30


def analyse_domains(study: StudyResults, /) -> Findings:
    """Cluster every test slide by observation and by prediction, and compare both with each other and with labels.

    Raises
    ------
    DataError
        If no finished job predicts amounts on a slide of thirty spots.
    """
    rows: list[Mapping[str, Cell]] = []
    figures: dict[str, Figure] = {}
    for record in study.done():
        if record.job.kind not in AMOUNTS or record.job.oracle:
            continue
        labels = slide_labels(record, study.registry, study.data_root)
        for result in study.predictions(record):
            if len(result.spot_ids) < _FEWEST_SPOTS:
                continue
            observed = choose_domains(result.observed.values)
            predicted = _cluster(_components(result.predicted.values), int(observed.max()) + 1)
            classes = labels.get(result.slide_id)
            row: dict[str, Cell] = {
                "method": label_of(record),
                "fold": record.job.fold,
                "slide": result.slide_id,
                "domains": int(observed.max()) + 1,
                "ARI with observed": _ari(predicted, observed),
                "NMI with observed": float(normalized_mutual_info_score(observed, predicted)),
                "ARI with labels": _labelled(predicted, classes, result),
                "ARI of observed with labels": _labelled(observed, classes, result),
            }
            rows.append(row)
            name = f"domains-{record.job.method}-{record.job_id}"
            if name not in figures:
                figures[name] = _draw(result, observed, match_domains(predicted, observed), title=label_of(record))
    if not rows:
        raise DataError(f"no finished job predicts amounts on a slide of {_FEWEST_SPOTS} spots.")
    note = "the number of domains is chosen on the observed side; colours of predicted domains are matched to observed."
    return Findings(tables={"domains": rows}, figures=figures, notes=[note])


def choose_domains(values: Float, /) -> Int:
    """Cluster (n, t) values into the number of domains with the largest silhouette: (n,) from 0."""
    components = _components(values)
    most = min(_MOST_DOMAINS, len(values) - 1)  # a silhouette needs a domain of two spots
    candidates = [_cluster(components, k) for k in range(2, most + 1)]
    candidates = [found for found in candidates if len(np.unique(found)) > 1]
    if not candidates:
        return np.zeros(len(values), dtype=np.int64)
    return max(candidates, key=lambda found: float(silhouette_score(components, found)))


def match_domains(predicted: Int, observed: Int, /) -> Int:
    """Rename (n,) predicted domains so that as many spots as possible agree with (n,) observed ones (Kuhn 1955)."""
    names, columns = np.unique(predicted), np.unique(observed)
    votes = np.array([[((predicted == p) & (observed == o)).sum() for o in columns] for p in names])
    chosen = dict(zip(*(part.tolist() for part in linear_sum_assignment(-votes)), strict=True))
    fresh = iter(range(int(columns.max()) + 1, int(columns.max()) + 1 + len(names)))
    renamed = {int(name): int(columns[chosen[row]]) if row in chosen else next(fresh) for row, name in enumerate(names)}
    return np.array([renamed[int(domain)] for domain in predicted])


def _components(values: Float) -> Float:
    centred = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)
    deviation = centred.std(axis=0)
    varies = deviation > 1e-6 * np.maximum(np.abs(values).max(axis=0), 1e-12)
    if not varies.any():
        return np.zeros((len(values), 1))
    standard = centred[:, varies] / deviation[varies]
    n_components = min(_MOST_COMPONENTS, *standard.shape)
    reduced: Float = PCA(n_components=n_components, svd_solver="full").fit_transform(standard)
    return reduced


def _cluster(components: Float, k: int) -> Int:
    if k < 2 or not np.ptp(components, axis=0).any():
        return np.zeros(len(components), dtype=np.int64)
    mixture = GaussianMixture(k, covariance_type="tied", reg_covar=1e-3, random_state=0, n_init=2, max_iter=500)
    _, domains = np.unique(mixture.fit_predict(components), return_inverse=True)
    return domains.astype(np.int64)


def _ari(one: Sequence[object] | Int, other: Sequence[object] | Int) -> float:
    return float(adjusted_rand_score(np.asarray(one), np.asarray(other)))


def _labelled(domains: Int, classes: Mapping[str, str] | None, result: SlideResult) -> float:
    rows = [row for row, spot in enumerate(result.spot_ids) if classes and str(spot) in classes]
    if classes is None or len(rows) < 2:
        return float("nan")
    return _ari(domains[rows], [classes[str(result.spot_ids[row])] for row in rows])


def _draw(result: SlideResult, observed: Int, predicted: Int, *, title: str) -> Figure:
    figure = Figure(figsize=(9.0, 4.6), dpi=100, layout="constrained")
    for place, (word, domains) in enumerate((("observed", observed), ("predicted", predicted))):
        axes = figure.add_subplot(1, 2, place + 1)
        axes.scatter(result.xy_um[:, 0], result.xy_um[:, 1], c=domains, cmap="tab10", vmin=0, vmax=9, s=18)
        axes.invert_yaxis()
        axes.set(aspect="equal", title=f"{result.slide_id}: domains, {word}")
        axes.set_axis_off()
    figure.suptitle(title.replace("$", r"\$"))
    return figure
