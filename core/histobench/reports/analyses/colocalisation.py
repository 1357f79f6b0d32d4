"""Which cell types, or genes, are near which: predicted and observed, as matrices and as networks.

For every pair of targets on a slide the bivariate Moran's R measures how much of one is near the other, with weights
exp(-d² / 2 l²), l = 150 µm, none below 0.2 and 1 for a spot itself, scaled to sum n (abundance protocol, section 9,
with microns instead of pixels). The published test is one-sided and uncorrected; here the network keeps pairs with p
below 0.05 after Holm's correction over the slide's pairs.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import rankdata

from histobench.data import Float, SlideResult
from histobench.data.spatial import Colocalisation, colocalise, gaussian_weights
from histobench.errors import DataError
from histobench.reports.analyses.findings import AMOUNTS, Cell, Findings, StudyResults, label_of
from histobench.results.records import RunRecord
from histobench.results.statistics.paired import holm

__all__ = ["LENGTH_UM", "analyse_colocalisation", "slide_pairs"]

LENGTH_UM = 150.0
"""Length of the Gaussian: about the distance between spots on the coarsest array."""

_MOST_TARGETS = 60
_ALPHA = 0.05

Sides = Mapping[str, Colocalisation]


def analyse_colocalisation(study: StudyResults, /) -> Findings:
    """Compare the relations of all pairs of targets, slide by slide and method by method.

    With more than 60 targets, the most variable ones are used.

    Raises
    ------
    DataError
        If no finished job predicts amounts of at least three targets.
    """
    pairs: list[Mapping[str, Cell]] = []
    agreement: list[Mapping[str, Cell]] = []
    figures: dict[str, Figure] = {}
    for record in study.done():
        if record.job.kind not in AMOUNTS or record.job.oracle:
            continue
        for result in study.predictions(record):
            found = slide_pairs(result)
            if found is None:
                continue
            names, sides = found
            about: dict[str, Cell] = {"method": label_of(record), "fold": record.job.fold, "slide": result.slide_id}
            pairs += [{**about, **row} for row in _pairs(names, sides)]
            agreement.append({**about, **_agreement(sides)})
            figures.setdefault(_file(record), _draw(names, sides, title=f"{label_of(record)}: {result.slide_id}"))
    if not agreement:
        raise DataError("no finished job predicts amounts of three targets that vary on a slide.")
    notes = [
        "R: bivariate Moran's R; p: one-sided normal, attraction only; linked: p below 0.05 after Holm over the slide.",
        "one figure per job, of its first slide; a control that predicts a constant has no relations to compare.",
    ]
    return Findings(tables={"colocalisation": agreement, "colocalisation-pairs": pairs}, figures=figures, notes=notes)


def slide_pairs(result: SlideResult, /) -> tuple[tuple[str, ...], Sides] | None:
    """Relate the targets that vary on both sides of a slide.

    Returns
    -------
    names and ``{"observed", "predicted"}``, or ``None`` with fewer than three such targets or four spots
    """
    observed, predicted = result.observed.values.astype(np.float64), result.predicted.values.astype(np.float64)
    vary = _varies(observed) & _varies(predicted)
    columns = np.flatnonzero(vary)
    if len(columns) > _MOST_TARGETS:
        order = np.argsort(-observed[:, columns].var(axis=0), kind="stable")
        columns = np.sort(columns[order[:_MOST_TARGETS]])
    if len(columns) < 3 or len(observed) < 4:
        return None
    weights = gaussian_weights(result.xy_um, length=LENGTH_UM, itself=1.0)
    weights = weights * (len(observed) / weights.sum())
    names = tuple(result.observed.names[column] for column in columns)
    sides = {"observed": observed, "predicted": predicted}
    return names, {side: colocalise(values[:, columns].T, weights) for side, values in sides.items()}


def _varies(values: Float) -> npt.NDArray[np.bool_]:
    varies: npt.NDArray[np.bool_] = np.ptp(values, axis=0) > 1e-6 * np.abs(values).max(axis=0)
    return varies


def _pairs(names: Sequence[str], sides: Sides) -> Iterator[Mapping[str, Cell]]:
    upper = np.triu_indices(len(names), k=1)
    linked = {side: holm(found.p[upper]) < _ALPHA for side, found in sides.items()}
    for place, (a, b) in enumerate(combinations(range(len(names)), 2)):
        row: dict[str, Cell] = {"first": names[a], "second": names[b]}
        for side, found in sides.items():
            row |= {
                f"R {side}": float(found.r[a, b]),
                f"p {side}": float(found.p[a, b]),
                f"linked {side}": int(linked[side][place]),
            }
        yield row


def _agreement(sides: Sides) -> Mapping[str, Cell]:
    upper = np.triu_indices(len(sides["observed"].r), k=1)
    true, found = (sides[side].r[upper] for side in ("observed", "predicted"))
    linked = {side: holm(found.p[upper]) < _ALPHA for side, found in sides.items()}
    both = int((linked["observed"] & linked["predicted"]).sum())
    either = int((linked["observed"] | linked["predicted"]).sum())
    return {
        "pairs": len(true),
        "pearson of R": float(np.corrcoef(true, found)[0, 1]),
        "spearman of R": float(np.corrcoef(rankdata(true), rankdata(found))[0, 1]),
        "scaled cosine of R": float((1 + true @ found / np.sqrt((true @ true) * (found @ found))) / 2),
        "linked observed": int(linked["observed"].sum()),
        "linked predicted": int(linked["predicted"].sum()),
        "links shared (Jaccard)": both / either if either else float("nan"),
    }


def _file(record: RunRecord) -> str:
    return f"colocalisation-{record.job.method}-{record.job_id}"


def _draw(names: Sequence[str], sides: Sides, *, title: str) -> Figure:
    figure = Figure(figsize=(11.0, 10.0), dpi=100, layout="constrained")
    axes = figure.subplots(2, 2)
    limit = max(float(np.abs(found.r[np.triu_indices(len(names), k=1)]).max()) for found in sides.values())
    for column, (side, found) in enumerate(sides.items()):
        shown = np.where(np.eye(len(names), dtype=bool), np.nan, found.r)
        image = axes[0, column].imshow(shown, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes[0, column].set_title(f"{side}: R")
        axes[0, column].set_xticks(range(len(names)), names, rotation=90, fontsize=6)
        axes[0, column].set_yticks(range(len(names)), names, fontsize=6)
        _draw_network(axes[1, column], names, found, limit=limit)
        axes[1, column].set_title(f"{side}: interaction network")
    figure.colorbar(image, ax=axes[0], shrink=0.8)
    figure.suptitle(title.replace("$", r"\$"))
    return figure


def _draw_network(axes: Axes, names: Sequence[str], found: Colocalisation, *, limit: float) -> None:
    """Draw the targets on a circle, and for every linked pair a line whose width grows with its R."""
    angles = 2 * np.pi * np.arange(len(names)) / len(names)
    x, y = np.cos(angles), np.sin(angles)
    upper = np.triu_indices(len(names), k=1)
    for a, b, corrected in zip(*upper, holm(found.p[upper]), strict=True):
        if corrected < _ALPHA:
            axes.plot(x[[a, b]], y[[a, b]], color="tab:red", alpha=0.5, linewidth=4 * found.r[a, b] / limit)
    axes.scatter(x, y, s=30, color="0.2", zorder=3)
    for name, left, bottom in zip(names, x, y, strict=True):
        side = "left" if left >= 0 else "right"
        axes.annotate(name.replace("$", r"\$"), (1.06 * left, 1.06 * bottom), ha=side, va="center", fontsize=6)
    axes.set(aspect="equal", xlim=(-1.9, 1.9), ylim=(-1.4, 1.4))
    axes.set_axis_off()
