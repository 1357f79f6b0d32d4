"""Classes of tissue against the rest: which targets mark them, and whether predictions agree.

For each class of a slide and each target we compute the area under the ROC curve with which the target's value
separates the class's spots from the others (0.5: not at all), observed and predicted. A target *marks* a class if it is
one of the ten with the highest observed AUROC. The share recovered is how many of these have one of the ten highest
predicted AUROCs, reported with what a random order would recover. scanpy's ``rank_genes_groups`` is not used: it
reports z scores in place of areas.

References
----------
Mann & Whitney (1947), *Ann. Math. Stat.* 18:50–60: AUROC is their statistic over the product of the group sizes.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from histobench.data import Float, SlideResult
from histobench.errors import DataError
from histobench.reports.analyses.findings import AMOUNTS, Cell, Findings, StudyResults, label_of
from histobench.reports.analyses.labels import slide_labels

__all__ = ["analyse_markers", "auroc", "recovered"]

MARKERS = 10
"""Targets that count as markers of a class; fewer where there are fewer than thirty targets: a third of them."""

_FEWEST_SPOTS = 5


def analyse_markers(study: StudyResults, /) -> Findings:
    """Compare which targets mark each class of tissue, such as tumour against normal.

    Raises
    ------
    DataError
        If no finished job has a labelled test slide.
    """
    summary: list[Mapping[str, Cell]] = []
    details: list[Mapping[str, Cell]] = []
    for record in study.done():
        if record.job.kind not in AMOUNTS or record.job.oracle:
            continue
        labels = slide_labels(record, study.registry, study.data_root)
        for result in study.predictions(record):
            about: dict[str, Cell] = {"method": label_of(record), "fold": record.job.fold, "slide": result.slide_id}
            for name, inside, rows in _classes(result, labels.get(result.slide_id, {})):
                observed = auroc(result.observed.values[rows], inside)
                predicted = auroc(result.predicted.values[rows], inside)
                summary.append({**about, "class": name, "spots": int(inside.sum()), **_agreement(observed, predicted)})
                details += [
                    {**about, "class": name, "target": target, "AUROC observed": float(o), "AUROC predicted": float(p)}
                    for target, o, p in zip(result.observed.names, observed, predicted, strict=True)
                ]
    if not summary:
        raise DataError("no test slide of a finished job has labels, so no class can be compared with the rest.")
    notes = [f"classes with {_FEWEST_SPOTS} spots inside and outside; agreement: Pearson of the AUROCs over targets."]
    return Findings(tables={"markers": summary, "markers-targets": details}, notes=notes)


def auroc(values: Float, inside: npt.NDArray[np.bool_], /) -> Float:
    """Return how well each column of (n, t) values separates spots inside from outside: (t,) in [0, 1], ties halved."""
    ranks = rankdata(values, axis=0)
    n_in, n_out = int(inside.sum()), int((~inside).sum())
    area: Float = (ranks[inside].sum(axis=0) - n_in * (n_in + 1) / 2) / (n_in * n_out)
    return area


def recovered(observed: Float, predicted: Float, /) -> tuple[float, float]:
    """Return the share of observed markers that are predicted ones, and that by chance; both sides are (t,) AUROCs."""
    k = min(MARKERS, max(1, len(observed) // 3))
    true, found = (set(np.argsort(-side, kind="stable")[:k].tolist()) for side in (observed, predicted))
    return len(true & found) / k, k / len(observed)


def _classes(
    result: SlideResult, classes: Mapping[str, str]
) -> Iterator[tuple[str, npt.NDArray[np.bool_], npt.NDArray[np.int64]]]:
    rows = np.array([row for row, spot in enumerate(result.spot_ids) if str(spot) in classes], dtype=np.int64)
    found = np.array([classes[str(result.spot_ids[row])] for row in rows])
    for name in np.unique(found):
        inside = found == name
        if _FEWEST_SPOTS <= inside.sum() <= len(inside) - _FEWEST_SPOTS:
            yield str(name), inside, rows


def _agreement(observed: Float, predicted: Float) -> Mapping[str, Cell]:
    share, chance = recovered(observed, predicted)
    varies = len(observed) > 2 and np.ptp(predicted) > 0 and np.ptp(observed) > 0
    return {
        "agreement": float(np.corrcoef(observed, predicted)[0, 1]) if varies else float("nan"),
        "same direction": float(np.mean((observed > 0.5) == (predicted > 0.5))),
        "markers recovered": share,
        "by chance": chance,
    }
