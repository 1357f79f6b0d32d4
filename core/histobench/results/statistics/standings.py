"""From records to boards with averages, intervals, skill and ranks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from histobench.results.records import RunRecord, ranking_metric
from histobench.results.scores import MetricScores
from histobench.results.statistics.averages import Unit, nan_mean
from histobench.results.statistics.boards import Board, Ground, Standing
from histobench.results.statistics.comparisons import with_comparisons
from histobench.results.statistics.grouping import Entry, comparable_groups, ground_of
from histobench.results.statistics.remarks import board_warnings, told_apart
from histobench.results.statistics.resampling import mean_intervals

__all__ = ["standings"]


def standings(records: Iterable[RunRecord], metric: str | None) -> list[Board]:
    """Rank jobs on boards.

    Parameters
    ----------
    metric
        Its name; with ``None``, the one that ranks each kind of target. Records without a score under it give no rows.

    Returns
    -------
    One board for each dataset, target, scheme, edition and panel, sorted by these; `Board.apart` distinguishes boards
    of one title.
    """
    by_ground: dict[Ground, list[RunRecord]] = {}
    for record in records:
        by_ground.setdefault(ground_of(record), []).append(record)
    boards: list[Board] = []
    for ground in sorted(by_ground):
        name = metric or ranking_metric(by_ground[ground]) or ""
        boards += [_board(group, name, ground=ground) for group in comparable_groups(by_ground[ground], name)]
    return told_apart(boards)


def _board(entries: Sequence[Entry], metric: str, *, ground: Ground) -> Board:
    slides = dict(sorted({slide: patient for e in entries for slide, patient in e.patients(metric).items()}.items()))
    unit: Unit = "patients" if len(set(slides.values())) > 1 else "slides"
    scored = [record for entry in entries for record in entry.scored]
    unscored = [record for entry in entries for record in entry.unscored]
    higher = all(record.scores[metric].higher_is_better for record in scored)
    found = [_standing(entry, metric, unit=unit) for entry in entries]
    gamed_by = {record.scores[metric].gamed_by for record in scored} - {""}
    complete = _complete(entries, found, metric, slides=slides)
    unranked = any(not row.control and place not in complete for place, row in enumerate(found))
    ranked = [] if gamed_by else complete
    bound = _bound([record.scores[metric] for record in scored], higher_is_better=higher)
    found, pairs = with_comparisons(found, ranked, higher_is_better=higher, bound=np.nan if gamed_by else bound)
    oracle = next((row for row in found if row.oracle and np.isfinite(row.score)), None)
    sign = -1.0 if higher else 1.0
    found.sort(
        key=lambda row: (not np.isfinite(row.score), sign * row.score if np.isfinite(row.score) else 0, row.label)
    )
    board = Board(
        ground=ground,
        metric=metric,
        higher_is_better=higher,
        unit=unit,
        folds=tuple(sorted({record.job.fold for entry in entries for record in entry.records})),
        slides=slides,
        rows=tuple(found),
        ceiling=oracle.score if oracle else bound,
        ceiling_name=oracle.label if oracle else "the metric's bound" if np.isfinite(bound) else "",
        pairs=pairs,
        describes=bool(gamed_by),
        **_facts(scored, metric),
        unscored=tuple(record.job_id for record in unscored if metric not in record.passed_over),
        passed_over={r.job_id: r.passed_over[metric] for r in unscored if metric in r.passed_over},
    )
    unranked = unranked and not gamed_by
    return replace(board, warnings=(*board_warnings(board, unranked=unranked), *_gamed(metric, sorted(gamed_by))))


def _facts(scored: Sequence[RunRecord], metric: str) -> dict[str, Any]:  # Any: attributes of a board
    """Return the attributes that a board takes from its jobs unchanged."""
    tables = [record.scores[metric] for record in scored]
    return {
        "ranks": any(table.ranks for table in tables),
        "panel": _panel(scored),
        "panel_unit": next((record.panel.unit for record in scored if record.panel), ""),
        "n_targets": tuple(sorted({len(record.targets) for record in scored})),
        "n_spots": {slide: n for record in scored for slide, n in record.n_spots.items()},
        "judge": next((record.job.judge for record in scored), ""),
        "headline": next((table.headline for table in tables), ""),
        "lowest": _shared([table.lowest for table in tables], else_=-np.inf),
        "highest": _shared([table.highest for table in tables], else_=np.inf),
    }


def _gamed(metric: str, ways: Sequence[str]) -> Iterable[str]:
    """Warn of ways to a good score without knowing the spots, as listed on the metric's card."""
    for way in ways:
        yield f"{metric!r} can be reached by {way}, without knowing the spots: its order is not a ranking."


def _shared(bounds: Sequence[float | None], *, else_: float) -> float:
    """Return the bound that all tables have; ``else_`` if they have none, or differ."""
    found = set(bounds)
    bound = found.pop() if len(found) == 1 else None
    return else_ if bound is None else bound


def _complete(
    entries: Sequence[Entry], found: Sequence[Standing], metric: str, *, slides: Mapping[str, str]
) -> list[int]:
    """Return the indices of the methods that may be ranked: they have a score on every unit.

    A score that is undefined on some units is a mean over other units, and not comparable.
    """
    return [
        place
        for place, (entry, row) in enumerate(zip(entries, found, strict=True))
        if not row.control
        and set(entry.patients(metric)) == set(slides)
        and bool(np.isfinite(list(row.per_unit.values())).all())
    ]


def _bound(tables: Sequence[MetricScores], *, higher_is_better: bool) -> float:
    """Return the score of a perfect prediction; NaN if the metric has no bound on that side."""
    return _shared([table.highest if higher_is_better else table.lowest for table in tables], else_=np.nan)


def _panel(scored: Sequence[RunRecord]) -> str:
    panels = [record.panel for record in scored if record.panel]
    if any(panel.fitted_on for panel in panels):
        return "fitted per fold"
    return panels[0].hash if panels else ""


def _standing(entry: Entry, metric: str, *, unit: Unit) -> Standing:
    job = entry.records[0].job
    per_unit = entry.unit_scores(metric, unit)
    defined = [score for score in per_unit.values() if np.isfinite(score)]
    (interval,) = mean_intervals([defined])
    tables = [record.scores[metric] for record in entry.scored]
    done = {record.job.fold for record in entry.scored + entry.unscored}
    return Standing(
        method=job.method,
        encoder=job.encoder,
        mode=job.mode,
        stands_in_for=job.stands_in_for,
        contamination=tuple(sorted({name for record in entry.records for name in record.job.contamination})),
        variant=entry.variant,
        control=job.control,
        oracle=job.oracle,
        leaks=job.leaks,
        score=nan_mean(defined),
        low=interval.low,
        high=interval.high,
        unit=unit,
        per_unit=per_unit,
        undefined=sum(table.undefined for table in tables),
        total=sum(len(row) for t in tables for row in ([t.pooled] if t.pools == "only" else t.per_slide.values())),
        pooled=entry.pooled_score(metric),
        columns=entry.column_scores(metric, unit),
        folds_done=tuple(sorted(done)),
        folds_failed=tuple(sorted({record.job.fold for record in entry.failed} - done)),
        n_seeds=len({record.job.seed for record in entry.scored}),
        seconds=nan_mean([sum(record.seconds.values()) for record in entry.scored + entry.unscored]),
        peak_memory_mb=entry.peak_memory_mb(),
        job_ids=tuple(record.job_id for record in entry.scored + entry.unscored),
        failed_job_ids=tuple(record.job_id for record in entry.failed),
    )
