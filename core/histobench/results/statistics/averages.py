"""How scores are averaged, in the order of `histobench.results.statistics`: targets, seeds, slides, patients.

Boards, comparisons, MLflow and the analyses all use these functions, so that a score has one value everywhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from histobench.results.records import RunRecord
from histobench.results.scores import MetricScores, Score

__all__ = ["Unit", "nan_mean", "slide_scores", "unit_scores"]

Unit = Literal["patients", "slides"]
"""What counts as one independent observation."""


def nan_mean(values: Iterable[float]) -> float:
    """Average the finite values; NaN if there are none."""
    numbers = np.asarray(list(values), dtype=np.float64)
    defined = numbers[np.isfinite(numbers)]
    return float(defined.mean()) if defined.size else float("nan")


def slide_scores(
    table: MetricScores, rows: Mapping[str, Sequence[Score]] | None = None, *, column: str = ""
) -> dict[str, float]:
    """Reduce the scores of each slide to one number: the headline column, or the mean over targets.

    Parameters
    ----------
    rows
        Slide → scores to read in place of those of the table, with its columns.
    column
        A column to read in place of the headline.

    Returns
    -------
    Slide → score; NaN where it is undefined.
    """
    rows = table.per_slide if rows is None else rows
    return {slide: table.overall(row, column=column) for slide, row in rows.items()}


def unit_scores(scored: Iterable[tuple[RunRecord, Mapping[str, float]]], unit: Unit) -> dict[str, float]:
    """Average the slide scores of several jobs over seeds, then over the slides of each patient.

    Parameters
    ----------
    scored
        Jobs of one configuration, each with its slide scores (from `slide_scores`).
    unit
        With ``slides``, the mean over seeds is returned for each slide.

    Returns
    -------
    Unit → mean of its defined scores, sorted by unit; NaN where all are undefined.
    """
    by_slide: dict[str, list[float]] = {}
    patients: dict[str, str] = {}
    for record, scores in scored:
        for slide, value in scores.items():
            by_slide.setdefault(slide, []).append(value)
            patients[slide] = record.job.patients[slide]
    by_unit: dict[str, list[float]] = {}
    for slide, seeds in by_slide.items():
        by_unit.setdefault(patients[slide] if unit == "patients" else slide, []).append(nan_mean(seeds))
    return {name: nan_mean(by_unit[name]) for name in sorted(by_unit)}
