"""The geometry of the spaces of methods: that of retrieval, and the latent of enhancement.

All test slides of a job are analysed together, because a space belongs to one fitted method; a single test slide shows
nothing about mixing. Biology is the slides' annotation. Without annotation it is, for retrieval, the clusters of each
slide's expression vectors, matched across slides: then the scores show whether images fall into the groups of their
expression, and the scores of expression itself mean little. Of more than 5,000 spots a random sample is used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from warnings import catch_warnings

import anndata
import numpy as np
import numpy.typing as npt
import pandas as pd
import scanpy
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from histobench.contracts.tasks import TASKS
from histobench.data import Float, Int, SlideResult
from histobench.errors import DataError
from histobench.reports.analyses.findings import Cell, Findings, StudyResults, job_by_job, label_of
from histobench.reports.analyses.geometry import (
    leiden,
    matched_clusters,
    meeting,
    mixing,
    neighbour_table,
    transfer_accuracy,
    unit_rows,
)
from histobench.results.records import RunRecord

__all__ = ["Space", "analyse_latent", "spaces_of"]

_MOST_SPOTS = 5000
_FEWEST_SPOTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The vectors of all test spots of a job.

    Attributes
    ----------
    sides
        ``image`` and ``expression``, vectors of length 1, or ``latent``: (n, d) each.
    slide_ids
        (n,) str.
    biology
        (n,) class of each spot, empty where it is not annotated; ``None`` where no class is known.
    source
        Where the biology comes from.
    """

    sides: Mapping[str, Float]
    slide_ids: npt.NDArray[np.str_]
    biology: npt.NDArray[np.str_] | None
    source: str


def analyse_latent(study: StudyResults, /) -> Findings:
    """Measure every space of a study, and draw it.

    Raises
    ------
    DataError
        If no finished job retrieves, or enhances with a latent.
    """
    seen, failed = job_by_job(study, {"retrieve", "enhance"}, lambda record: _analysed(study, record))
    if not seen:
        nothing = "no finished job of this study has a space of its spots: none retrieves or returns a latent"
        raise DataError("; ".join([nothing, *failed]).rstrip(".") + ".")
    rows = [row for _, (measured, _, _) in seen for row in measured]
    meetings = [row for _, (_, met, _) in seen for row in met]
    figures = {name: figure for _, (_, _, drawn) in seen for name, figure in drawn.items()}
    notes = [
        *failed,
        "a space belongs to one fitted method: folds are separate; 'slide' columns need several test slides.",
        "ARI and NMI with slides should be 0; all other scores are better when higher.",
    ]
    return Findings(tables={"latent": rows, "latent-meeting": meetings}, figures=figures, notes=notes)


def _analysed(
    study: StudyResults, record: RunRecord
) -> tuple[list[Mapping[str, Cell]], list[Mapping[str, Cell]], dict[str, Figure]] | None:
    """Analyse a job: a row per side, a row that compares the sides, and figures; ``None`` if it has no space."""
    space = spaces_of(study.predictions(record))
    if space is None:
        return None
    rows: list[Mapping[str, Cell]] = []
    figures: dict[str, Figure] = {}
    who: dict[str, Cell] = {"method": label_of(record), "fold": record.job.fold, "seed": record.job.seed}
    for side, vectors in space.sides.items():
        table = neighbour_table(vectors)
        joint = leiden(table)
        rows.append({**who, "side": side, **_measured(space, vectors, joint)})
        name = f"latent-{side}-{record.job.method}-{record.job_id}"
        figures[name] = _draw(table, space, joint, title=f"{label_of(record)}: {side}")
    sides = space.sides
    met: list[Mapping[str, Cell]] = []
    if "image" in sides:
        met = [{**who, **meeting(sides["image"], sides["expression"])}]
    return rows, met, figures


def spaces_of(results: Sequence[SlideResult], /, *, seed: int = 0) -> Space | None:
    """Collect the vectors of a job's test slides; ``None`` if it has none, or too few spots."""
    sides = [_sides(result) for result in results]
    n = sum(len(result.spot_ids) for result in results)
    if not sides or not all(sides) or n < _FEWEST_SPOTS:
        return None
    rows = np.sort(np.random.default_rng(seed).permutation(n)[:_MOST_SPOTS])
    slide_ids = np.concatenate([np.full(len(result.spot_ids), result.slide_id) for result in results])[rows]
    vectors = {name: np.concatenate([one[name] for one in sides])[rows] for name in sides[0]}
    if any(result.regions is not None for result in results):
        biology = np.concatenate([_annotation(result) for result in results])[rows]
        return Space(sides=vectors, slide_ids=slide_ids, biology=biology, source="annotation")
    if "expression" not in vectors:
        return Space(sides=vectors, slide_ids=slide_ids, biology=None, source="")
    groups = matched_clusters(vectors["expression"], slide_ids).astype(np.str_)
    return Space(sides=vectors, slide_ids=slide_ids, biology=groups, source="expression clusters")


def _sides(result: SlideResult) -> dict[str, Float]:
    if not TASKS[result.observed.kind].has_targets:
        return {"image": unit_rows(result.predicted.values), "expression": unit_rows(result.observed.values)}
    latent = result.predicted.latent
    return {} if latent is None else {"latent": latent.astype(np.float64)}


def _annotation(result: SlideResult) -> npt.NDArray[np.str_]:
    return np.full(len(result.spot_ids), "", dtype="U1") if result.regions is None else result.regions


def _measured(space: Space, vectors: Float, joint: Int) -> dict[str, Cell]:
    """Score one side; spots without annotation are clustered, but not scored."""
    known = np.ones(len(vectors), dtype=bool) if space.biology is None else space.biology != ""
    slides = space.slide_ids[known]
    biology = np.zeros(known.sum(), dtype=np.int64) if space.biology is None else space.biology[known]
    found: dict[str, Cell] = {
        "slides": len(np.unique(space.slide_ids)),
        "spots": len(vectors),
        "joint clusters": int(joint.max()) + 1,
        "biology": space.source or None,
    }
    if known.sum() < _FEWEST_SPOTS:
        return found
    scores = mixing(vectors[known], joint=joint[known], biology=biology, slide_ids=slides)
    transferred = float("nan") if space.biology is None else transfer_accuracy(vectors[known], biology, slides)
    return {**found, **scores, "label transfer": transferred}


def _draw(table: anndata.AnnData, space: Space, joint: Int, *, title: str) -> Figure:
    """Draw a UMAP of the points for each way to colour them."""
    scanpy.tl.umap(table, random_state=0)
    table.obs["slide"] = pd.Categorical(space.slide_ids)
    table.obs["joint cluster"] = pd.Categorical(joint.astype(np.str_))
    colours = ["slide", "joint cluster"]
    if space.biology is not None:
        known = [name for name in np.unique(space.biology) if name]
        table.obs[space.source] = pd.Categorical(space.biology, categories=known)
        colours.append(space.source)
    with catch_warnings(action="ignore", category=PendingDeprecationWarning):  # of matplotlib, for scanpy
        figure: Figure = scanpy.pl.umap(table, color=colours, size=24, wspace=0.35, show=False, return_fig=True)
    figure.suptitle(title.replace("$", r"\$"))
    plt.close(figure)
    return figure
