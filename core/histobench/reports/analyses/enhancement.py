"""What enhancing does to tissue: domains of the latent next to the annotation, and markers raw and enhanced.

Raw and enhanced expression are shown over the same groups of spots: the annotation or, where a slide has none, clusters
of its raw counts (`domains`). Markers are chosen on the raw counts too, so that no method chooses its own. A published
figure groups raw values by annotation and enhanced values by matched clusters, which flatters (expression protocol,
section 13).
"""

from collections.abc import Mapping
from warnings import catch_warnings

import anndata
import numpy as np
import numpy.typing as npt
import pandas as pd
import scanpy
from matplotlib import pyplot as plt
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
_REACH = 1.5  # median spacings: the distance up to which GIST links spots by default

Labels = npt.NDArray[np.str_]


def analyse_enhancement(study: StudyResults, /) -> Findings:
    """Draw every finished job that enhances, slide by slide, and measure how well markers separate groups.

    Raises
    ------
    DataError
        If no finished job enhances.
    """
    seen, failed = job_by_job(study, {"enhance"}, lambda record: _enhanced(study, record))
    rows = [row for _, (found, _) in seen for row in found]
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
    """Analyse a job: a row per marker of each slide, and its figures."""
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
            contrasts = {side: contrast(values, groups, group) for side, values in sides.items()}
            morans = {f"Moran's I, {side}": autocorrelation(values, result.xy_um) for side, values in sides.items()}
            rows.append({**who, "gene": gene, "group": group, "groups are": source, **contrasts, **morans})
        name = f"{record.job.method}-{record.job_id}-{number + 1}"
        title = f"{label_of(record)}, slide {result.slide_id}"
        if result.predicted.latent is not None:
            figures[f"tissue-{name}"] = _draw_tissue(result, groups, source, title=title)
        if markers:
            figures[f"violins-{name}"] = _draw_violins(result, groups, markers, title=f"{title}, by {source}")
    return rows, figures


def choose_markers(raw: Float, names: tuple[str, ...], groups: Labels) -> list[tuple[str, str]]:
    """Choose for each group the two genes of (n, t) raw expression that separate it best from all other spots.

    Parameters
    ----------
    groups
        (n,) str; empty for a spot without a group. Groups of fewer than five spots have no markers.

    Returns
    -------
    Gene and group, no gene twice; for at most eight groups, the largest.
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
    """Return how well (n,) values separate the spots of one group from the others: AUROC, NaN for a constant."""
    known = groups != ""
    if not np.ptp(values[known]) > 0:
        return float("nan")
    return float(roc_auc_score(groups[known] == group, values[known]))


def autocorrelation(values: Float, xy_um: Float, /) -> float:
    """Return Moran's I of (n,) values at (n, 2) places: how similar neighbours are.

    Neighbours are within 1.5 times the median distance to the nearest, all with the same weight. NaN for a constant,
    and where no spot has a neighbour (Moran 1950, *Biometrika* 37:17–23; expression protocol, section 12).
    """
    if len(values) < 2 or not np.ptp(values) > 0:
        return float("nan")
    places = cKDTree(xy_um)
    reach = _REACH * float(np.median(places.query(xy_um, k=2)[0][:, 1]))
    one, other = places.query_pairs(reach, output_type="ndarray").T
    centred = values.astype(np.float64) - values.mean(dtype=np.float64)
    alike = (centred[one] * centred[other]).sum() / max(len(one), 1)  # both directions at once: each pair counts twice
    return float(alike / (centred**2).mean()) if len(one) else float("nan")


def _groups(result: SlideResult) -> tuple[Labels, str]:
    """Return the annotation, or clusters of the raw counts where there is none: (n,) str, and their name."""
    if result.regions is not None and len(set(result.regions.tolist()) - {""}) > 1:
        return result.regions, "annotation"
    clusters = choose_domains(_raw(result))
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
    """Stack two violins per group for each marker, raw and enhanced, on one scale per gene."""
    columns = [result.observed.names.index(gene) for gene, _ in markers]
    names, counts = np.unique(groups, return_counts=True)
    shown = names[(counts >= _FEWEST_SPOTS) & (names != "")]
    rows = np.isin(groups, shown)
    sides = {"raw": _raw(result), "enhanced": result.predicted.values}
    table = anndata.AnnData(np.concatenate([values[rows][:, columns] for values in sides.values()]))
    table.var_names = [f"{gene} ({group})" for gene, group in markers]
    labels = np.concatenate([np.char.add(groups[rows], f", {side}") for side in sides])
    table.obs["group"] = pd.Categorical(labels, categories=[f"{name}, {side}" for name in shown for side in sides])
    with catch_warnings(action="ignore"):  # of seaborn, pandas and matplotlib about each other, for scanpy
        plot = scanpy.pl.StackedViolin(table, list(table.var_names), "group", title=title.replace("$", r"\$"))
        plot.swap_axes().make_figure()
    figure: Figure = plot.fig
    figure.set_dpi(150)
    plt.close(figure)
    return figure


def _raw(result: SlideResult) -> Float:
    return result.observed.values if result.hidden is None else result.hidden.truth
