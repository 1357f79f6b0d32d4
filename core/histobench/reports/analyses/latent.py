"""The geometry of the spaces that methods put spots into: those of retrieval, and the latent of enhancement.

All test slides of a job are looked at together, for a space belongs to one fitted method; with one test slide nothing
can be said of mixing. Biology is the slides' annotation. Where there is none it is, for retrieval, the clusters of each
slide's expression vectors, matched across slides: then the scores say how far images fall into the groups of their
expression, and those of expression itself say little. More than 5,000 spots are thinned out at random.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from warnings import catch_warnings

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from histobench.contracts.tasks import TASKS
from histobench.data import Float, SlideResult
from histobench.errors import DataError
from histobench.reports.analyses.findings import Cell, Findings, StudyResults, job_by_job, label_of
from histobench.reports.analyses.geometry import (
    joint_clusters,
    matched_clusters,
    meeting,
    mixing,
    reduced,
    transfer_accuracy,
    unit_rows,
)
from histobench.results.records import RunRecord

__all__ = ["Space", "analyse_latent", "spaces_of"]

_MOST_SPOTS = 5000
_FEWEST_SPOTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What a job says of all its test spots.

    Attributes
    ----------
    sides
        ``image`` and ``expression``, vectors of length 1, or ``latent``: (n, d) each.
    slide_ids
        (n,) str.
    biology
        (n,) what the spots are, as text; ``None`` where nothing is known.
    source
        Where the biology comes from, in a word or two.
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
    if find_spec("umap") is None:  # told of before anything is measured
        raise ModuleNotFoundError(name="umap")
    seen, failed = job_by_job(study, {"retrieve", "enhance"}, lambda record: _looked_at(study, record))
    if not seen:
        nothing = "no finished job of this study puts its spots into a space: none retrieves or makes a latent"
        raise DataError("; ".join([nothing, *failed]).rstrip(".") + ".")
    rows = [row for _, (measured, _, _) in seen for row in measured]
    meetings = [row for _, (_, met, _) in seen for row in met]
    figures = {name: figure for _, (_, _, drawn) in seen for name, figure in drawn.items()}
    notes = [
        *failed,
        "a space belongs to one fitted method: folds are looked at apart; 'slide' columns need several test slides.",
        "ARI and NMI with slides should be 0; all other scores are better when higher.",
    ]
    return Findings(tables={"latent": rows, "latent-meeting": meetings}, figures=figures, notes=notes)


def _looked_at(
    study: StudyResults, record: RunRecord
) -> tuple[list[Mapping[str, Cell]], list[Mapping[str, Cell]], dict[str, Figure]] | None:
    """Look at a job: a row a side, a row for how sides meet, and its figures; ``None`` if it has no space."""
    space = spaces_of(study.predictions(record))
    if space is None:
        return None
    rows: list[Mapping[str, Cell]] = []
    figures: dict[str, Figure] = {}
    who: dict[str, Cell] = {"method": label_of(record), "fold": record.job.fold, "seed": record.job.seed}
    for side, vectors in space.sides.items():
        joint = joint_clusters(vectors)
        rows.append({**who, "side": side, **_measured(space, vectors, joint)})
        name = f"latent-{side}-{record.job.method}-{record.job_id}"
        figures[name] = _draw(_project(reduced(vectors)), space, joint, title=f"{label_of(record)}: {side}")
    sides = space.sides
    met: list[Mapping[str, Cell]] = []
    if "image" in sides:
        met = [{**who, **meeting(sides["image"], sides["expression"])}]
    return rows, met, figures


def spaces_of(results: Sequence[SlideResult], /, *, seed: int = 0) -> Space | None:
    """Collect the vectors of a job's test slides; ``None`` where it has none, or too few spots."""
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


def _measured(space: Space, vectors: Float, joint: npt.NDArray[Any]) -> dict[str, Cell]:  # Any: integers
    """Score one side; spots without annotation count in the clusters, and in nothing else."""
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


def _project(vectors: Float) -> Float:
    """Lay (n, d) points out in the plane by UMAP: (n, 2)."""
    with catch_warnings(action="ignore"):  # it tells of TensorFlow's absence, and of numba's deprecations
        umap = import_module("umap")
        # umap is not imported with the module: it compiles itself, which takes half a minute
        neighbours = min(15, len(vectors) - 1)
        placed: Float = umap.UMAP(n_neighbors=neighbours, random_state=0, n_jobs=1).fit_transform(vectors)
    return placed


def _draw(places: Float, space: Space, joint: npt.NDArray[Any], *, title: str) -> Figure:  # Any: integers
    colourings: dict[str, npt.NDArray[Any]] = {
        "slide": space.slide_ids,
        "joint cluster": joint,
    }  # Any: text or integers
    if space.biology is not None:
        colourings[space.source] = space.biology
    figure = Figure(figsize=(4.2 * len(colourings), 4.4), dpi=100, layout="constrained")
    for place, (word, labels) in enumerate(colourings.items()):
        axes = figure.add_subplot(1, len(colourings), place + 1)
        for colour, name in enumerate(np.unique(labels)):
            rows = labels == name
            shade = "0.8" if name == "" else f"C{colour % 10}"
            axes.scatter(places[rows, 0], places[rows, 1], s=6, color=shade, label=str(name) or "none")
        axes.set(title=word, xticks=[], yticks=[])
        axes.legend(fontsize="x-small", markerscale=2, loc="best")
    figure.suptitle(title.replace("$", r"\$"))
    return figure
