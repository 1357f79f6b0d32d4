"""What enhancing does to tissue: domains of the latent beside the annotation, and markers raw and enhanced.

Raw and enhanced expression are shown over the same groups of spots, the annotation; where a slide has none, clusters of
its raw counts (`domains`). Markers are chosen on the raw counts too, so that no method chooses its
own. A published figure groups raw values by annotation and enhanced ones by matched clusters, which flatters
(expression protocol, section 13).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.spatial import cKDTree
from sklearn.metrics import roc_auc_score

from histobench.data import Float, SlideResult
from histobench.errors import DataError
from histobench.reports.analyses.domains import choose_domains, match_domains
from histobench.reports.analyses.findings import Cell, Findings, StudyResults, job_by_job, label_of
from histobench.reports.analyses.geometry import joint_clusters
from histobench.results.records import RunRecord

__all__ = ["analyse_enhancement", "autocorrelation", "choose_markers", "contrast"]

_MARKERS_A_GROUP, _MOST_GROUPS, _FEWEST_SPOTS = 2, 8, 5
_REACH = 1.5  # median spacings, as far as GIST's spots are linked by default

Labels = npt.NDArray[np.str_]


def analyse_enhancement(study: StudyResults, /) -> Findings:
    """Draw every finished job that enhances, slide by slide, and measure how far markers tell groups apart.

    Raises
    ------
    DataError
        If no finished job enhances.
    """
    seen, failed = job_by_job(study, {"enhance"}, lambda record: _enhanced(study, record))
    rows = [row for _, (told, _) in seen for row in told]
    figures = {name: figure for _, (_, drawn) in seen for name, figure in drawn.items()}
    if not rows:
        nothing = "no finished job of this study enhances expression on a slide with two groups of spots"
        raise DataError("; ".join([nothing, *failed]).rstrip(".") + ".")
    notes = [
        *failed,
        "raw and enhanced: chance that a spot of the group has more of the gene than another spot (AUROC).",
        "any smoothing raises the contrast of markers and their Moran's I: compare with neighbour-mean.",
    ]
    return Findings(tables={"enhancement": rows}, figures=figures, notes=notes)


def _enhanced(study: StudyResults, record: RunRecord) -> tuple[list[Mapping[str, Cell]], dict[str, Figure]]:
    """Look at a job: a row a marker of each slide, and its figures."""
    rows: list[Mapping[str, Cell]] = []
    figures: dict[str, Figure] = {}
    for number, result in enumerate(study.predictions(record)):
        if result.hidden is None or not len(result.spot_ids):
            continue
        groups, source = _groups(result)
        who: dict[str, Cell] = {"method": label_of(record), "fold": record.job.fold, "slide": result.slide_id}
        markers = choose_markers(result.hidden.truth, result.observed.names, groups)
        for gene, group in markers:
            column = result.observed.names.index(gene)
            sides = {"raw": result.hidden.truth[:, column], "enhanced": result.predicted.values[:, column]}
            told = {side: contrast(values, groups, group) for side, values in sides.items()}
            patchy = {f"Moran's I, {side}": autocorrelation(values, result.xy_um) for side, values in sides.items()}
            rows.append({**who, "gene": gene, "group": group, "groups are": source, **told, **patchy})
        name = f"{record.job.method}-{record.job_id}-{number + 1}"
        title = f"{label_of(record)}, slide {result.slide_id}"
        if result.predicted.latent is not None:
            figures[f"tissue-{name}"] = _draw_tissue(result, groups, source, title=title)
        if markers:
            figures[f"violins-{name}"] = _draw_violins(result, groups, markers, title=f"{title}, by {source}")
    return rows, figures


def choose_markers(raw: Float, names: tuple[str, ...], groups: Labels) -> list[tuple[str, str]]:
    """Choose for each group the two genes of (n, t) raw expression that tell it best from all other spots.

    Parameters
    ----------
    groups
        (n,) str; empty for a spot of no group. Groups of fewer than five spots have no markers.

    Returns
    -------
    Gene and group, no gene twice; at most eight groups, the largest.
    """
    known, counts = np.unique(groups[groups != ""], return_counts=True)
    large = [str(name) for name in known[np.argsort(-counts, kind="stable")][:_MOST_GROUPS]]
    chosen: dict[str, str] = {}
    for group in large if len(large) > 1 else []:
        inside = groups == group
        if inside.sum() < _FEWEST_SPOTS:
            continue
        difference = raw[inside].mean(axis=0) - raw[~inside & (groups != "")].mean(axis=0)
        spread = raw.std(axis=0) + 1e-6
        ranked = [names[column] for column in np.argsort(-difference / spread, kind="stable")]
        fresh = [gene for gene in ranked if gene not in chosen][:_MARKERS_A_GROUP]
        chosen |= dict.fromkeys(fresh, group)
    return list(chosen.items())


def contrast(values: Float, groups: Labels, group: str) -> float:
    """Say how well (n,) values tell the spots of one group from those of the others: AUROC, NaN for a constant."""
    known = groups != ""
    if not np.ptp(values[known]) > 0:
        return float("nan")
    return float(roc_auc_score(groups[known] == group, values[known]))


def autocorrelation(values: Float, xy_um: Float, /) -> float:
    """Give Moran's I of (n,) values at (n, 2) places: how far neighbours are alike.

    Neighbours lie within 1.5 times the median distance to the nearest, all with the same weight; NaN for a constant,
    and where no spot has one (Moran 1950, *Biometrika* 37:17–23; expression protocol, section 12).
    """
    if len(values) < 2 or not np.ptp(values) > 0:
        return float("nan")
    places = cKDTree(xy_um)
    reach = _REACH * float(np.median(places.query(xy_um, k=2)[0][:, 1]))
    one, other = places.query_pairs(reach, output_type="ndarray").T
    centred = values.astype(np.float64) - values.mean(dtype=np.float64)
    alike = (centred[one] * centred[other]).sum() / max(len(one), 1)  # of both ways at once: each pair counts twice
    return float(alike / (centred**2).mean()) if len(one) else float("nan")


def _groups(result: SlideResult) -> tuple[Labels, str]:
    """Take the annotation where there is one, else clusters of the raw counts: (n,) str."""
    if result.regions is not None and len(set(result.regions.tolist()) - {""}) > 1:
        return result.regions, "annotation"
    raw = result.observed.values if result.hidden is None else result.hidden.truth
    clusters = choose_domains(raw)
    return np.array([f"cluster {cluster + 1}" for cluster in clusters], dtype=np.str_), "clusters of the raw counts"


def _draw_tissue(result: SlideResult, groups: Labels, source: str, *, title: str) -> Figure:
    latent = result.predicted.values if result.predicted.latent is None else result.predicted.latent
    names, codes = np.unique(groups, return_inverse=True)
    found = match_domains(joint_clusters(latent.astype(np.float64)), codes.astype(np.int64))
    figure = Figure(figsize=(10.0, 4.8), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    for code, name in enumerate(names):
        rows = codes == code
        _scatter(left, result, rows, colour="0.8" if name == "" else f"C{code % 10}", label=str(name) or "none")
    for code in np.unique(found):
        _scatter(right, result, found == code, colour=f"C{int(code) % 10}", label=f"{int(code) + 1}")
    left.set_title(source)
    right.set_title(f"Leiden clusters of the latent ({len(np.unique(found))}), colours matched")
    for axes in (left, right):
        axes.invert_yaxis()
        axes.set(aspect="equal")
        axes.set_axis_off()
    left.legend(fontsize="x-small", loc="upper left", bbox_to_anchor=(0.0, 0.0), ncols=2)
    figure.suptitle(title.replace("$", r"\$"))
    return figure


def _scatter(axes: Axes, result: SlideResult, rows: npt.NDArray[np.bool_], *, colour: str, label: str) -> None:
    axes.scatter(result.xy_um[rows, 0], result.xy_um[rows, 1], s=16, color=colour, label=label)


def _draw_violins(result: SlideResult, groups: Labels, markers: list[tuple[str, str]], *, title: str) -> Figure:
    """Stack a violin a group for each marker, raw at the left and enhanced at the right, on one scale a gene."""
    shown = [str(name) for name in np.unique(groups) if name and (groups == name).sum() >= _FEWEST_SPOTS]
    figure = Figure(figsize=(10.0, 1.6 + 0.7 * max(len(markers), 1)), dpi=100, layout="constrained")
    axes = figure.subplots(max(len(markers), 1), 2, sharex=True, sharey="row", squeeze=False)
    raw = result.observed.values if result.hidden is None else result.hidden.truth
    for line, (gene, group) in enumerate(markers):
        column = result.observed.names.index(gene)
        for place, values in enumerate((raw[:, column], result.predicted.values[:, column])):
            _violins(axes[line, place], [values[groups == name] for name in shown])
        axes[line, 0].set_ylabel(f"{gene}\n({group})", rotation=0, ha="right", va="center", fontsize=8)
    for place, word in enumerate(("raw", "enhanced")):
        axes[0, place].set_title(word)
        axes[-1, place].set_xticks(range(1, len(shown) + 1), shown, rotation=30, ha="right", fontsize=8)
    figure.suptitle(title.replace("$", r"\$"))
    return figure


def _violins(axes: Axes, parts: list[Float]) -> None:
    drawn = axes.violinplot([part + 0.0 for part in parts], showmedians=True, showextrema=False, widths=0.8)
    bodies: Any = drawn["bodies"]  # Any: a list of polygons, whatever its stubs say
    for number, body in enumerate(bodies):
        body.set(facecolor=f"C{number % 10}", alpha=0.7)
    axes.tick_params(labelsize=7)
