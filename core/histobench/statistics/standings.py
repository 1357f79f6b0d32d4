"""From records to boards: averages, intervals, skill and ranks."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from histobench.records import RunRecord, ranking_metric
from histobench.scores import MetricScores
from histobench.statistics.boards import ALPHA, Board, Ground, Standing
from histobench.statistics.comparisons import with_comparisons
from histobench.statistics.grouping import Entry, comparable_groups, ground_of, nan_mean
from histobench.statistics.paired import smallest_p
from histobench.statistics.ranking import MANY_GROUPS
from histobench.statistics.resampling import FEW_UNITS, mean_intervals

__all__ = ["standings"]


def standings(records: Iterable[RunRecord], metric: str | None) -> list[Board]:
    """Rank what may be ranked.

    Parameters
    ----------
    metric
        Its name; ``None`` takes the one that ranks each kind of target. Records without a score under it give no
        rows.

    Returns
    -------
    One board for each dataset, target, scheme, edition and panel, sorted by these.
    """
    by_ground: dict[Ground, list[RunRecord]] = {}
    for record in records:
        by_ground.setdefault(ground_of(record), []).append(record)
    boards: list[Board] = []
    for ground in sorted(by_ground):
        name = metric or ranking_metric(by_ground[ground]) or ""
        boards += [_board(group, name, ground=ground) for group in comparable_groups(by_ground[ground], name)]
    return boards


def _board(entries: Sequence[Entry], metric: str, *, ground: Ground) -> Board:
    slides = dict(sorted({slide: patient for e in entries for slide, patient in e.patients(metric).items()}.items()))
    unit = "patients" if len(set(slides.values())) > 1 else "slides"
    scored = [record for entry in entries for record in entry.scored]
    unscored = [record for entry in entries for record in entry.unscored]
    higher = all(record.scores[metric].higher_is_better for record in scored)
    found = [_standing(entry, metric, unit=unit) for entry in entries]
    ranked = _ranked(entries, found, metric, slides=slides)
    unranked = any(not row.control and place not in ranked for place, row in enumerate(found))
    bound = _bound([record.scores[metric] for record in scored], higher_is_better=higher)
    found, pairs = with_comparisons(found, ranked, higher_is_better=higher, bound=bound)
    oracle = next((row for row in found if row.oracle and np.isfinite(row.score)), None)
    sign = -1.0 if higher else 1.0
    found.sort(
        key=lambda row: (not np.isfinite(row.score), sign * row.score if np.isfinite(row.score) else 0, row.label)
    )
    board = Board(
        ground=ground,
        metric=metric,
        ranks=any(record.scores[metric].ranks for record in scored),
        higher_is_better=higher,
        panel=_panel(scored),
        panel_unit=next((r.panel.unit for r in scored if r.panel), ""),
        unit=unit,
        folds=tuple(sorted({record.job.fold for entry in entries for record in entry.records})),
        slides=slides,
        n_targets=tuple(sorted({len(record.targets) for record in scored})),
        rows=tuple(found),
        ceiling=oracle.score if oracle else bound,
        ceiling_name=oracle.label if oracle else "the metric's bound" if np.isfinite(bound) else "",
        pairs=pairs,
        unscored=tuple(record.job_id for record in unscored if metric not in record.passed_over),
        passed_over={r.job_id: r.passed_over[metric] for r in unscored if metric in r.passed_over},
    )
    gamed_by = {record.scores[metric].gamed_by for record in scored} - {""}
    return replace(board, warnings=(*_warnings(board, unranked=unranked), *_gamed(metric, sorted(gamed_by))))


def _ranked(
    entries: Sequence[Entry], found: Sequence[Standing], metric: str, *, slides: Mapping[str, str]
) -> list[int]:
    """Find the methods that may be ranked.

    A score that is undefined somewhere is a mean over other units: it must not be ranked against the others'.
    """
    return [
        place
        for place, (entry, row) in enumerate(zip(entries, found, strict=True))
        if not row.control
        and set(entry.patients(metric)) == set(slides)
        and bool(np.isfinite(list(row.per_unit.values())).all())
    ]


def _bound(tables: Sequence[MetricScores], *, higher_is_better: bool) -> float:
    """Give the score of a perfect prediction, if the metric has a bound on that side."""
    bounds = {table.highest if higher_is_better else table.lowest for table in tables}
    bound = bounds.pop() if len(bounds) == 1 else None
    return np.nan if bound is None else bound


def _panel(scored: Sequence[RunRecord]) -> str:
    panels = [record.panel for record in scored if record.panel]
    if any(panel.fitted_on for panel in panels):
        return "fitted per fold"
    return panels[0].hash if panels else ""


def _standing(entry: Entry, metric: str, *, unit: str) -> Standing:
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
        folds_done=tuple(sorted(done)),
        folds_failed=tuple(sorted({record.job.fold for record in entry.failed} - done)),
        n_seeds=len({record.job.seed for record in entry.scored}),
        seconds=nan_mean([sum(record.seconds.values()) for record in entry.scored]),
        peak_memory_mb=entry.peak_memory_mb(),
        job_ids=tuple(record.job_id for record in entry.scored + entry.unscored),
        failed_job_ids=tuple(record.job_id for record in entry.failed),
    )


def _warnings(board: Board, *, unranked: bool) -> Iterable[str]:
    n_units = len(set(board.slides.values())) if board.unit == "patients" else len(board.slides)
    if n_units == 1:
        yield f"one {board.unit[:-1]} only: there is no interval, and no difference can be told from chance."
    elif n_units < FEW_UNITS:
        yield (
            f"{n_units} {board.unit} only: intervals over so few say little, no difference is clear, no rank excluded."
        )
    yield from _weak_tests(board)
    if all(np.isnan(row.score) for row in board.rows) and any(np.isfinite(row.pooled) for row in board.rows):
        yield f"{board.metric!r} is defined over all slides together only: it has neither an interval nor a rank."
    if board.ground.leaks:
        yield f"scheme {board.ground.scheme!r} leaks: slides of one patient stand in training and test."
    for encoder, seen in sorted({(row.encoder or "", row.contamination) for row in board.rows if row.contamination}):
        yield f"{encoder} was pretrained on {' and '.join(seen)}, where tested slides come from: it may look too good."
    if unranked:
        yield "methods without a score on every slide of the board have no rank."
    if board.unscored:
        yield (
            f"{len(board.unscored)} finished jobs have no score under {board.metric!r}; "
            "`histobench score` computes it from their stored predictions."
        )
    for why, n in sorted(Counter(board.passed_over.values()).items()):
        yield f"{n} finished jobs can have no score under {board.metric!r}: {why}."


def _gamed(metric: str, ways: Sequence[str]) -> Iterable[str]:
    """Say what reaches a good score without knowing the spots, as the metric's card does."""
    for way in ways:
        yield f"{metric!r} can be had by {way}, without knowing the spots: its order is no ranking."


def _weak_tests(board: Board) -> Iterable[str]:
    """Say if no comparison could pass, whatever the scores."""
    tested = [c for c in (*board.pairs, *(c for row in board.rows for c in row.skill)) if np.isfinite(c.p)]
    most = max((comparison.n_units for comparison in tested), default=0)
    if most >= FEW_UNITS and smallest_p(most) > ALPHA:
        yield (
            f"with {most} {board.unit} the two-sided sign-flip test cannot go under p = 2/{2**most} = "
            f"{smallest_p(most):.3g}: no difference can be called real, whatever the scores."
        )
    elif most >= FEW_UNITS and smallest_p(most) * len(tested) > ALPHA:
        yield (
            f"{len(tested)} comparisons on {most} {board.unit}: p cannot go under {smallest_p(most):.2g}, so that "
            "after Holm's correction few or none can be told apart; compare fewer methods, or read the intervals."
        )
    if len(board.rows) > MANY_GROUPS and board.pairs and not any(row.ties for row in board.rows):
        yield f"tie groups would be more than {MANY_GROUPS}, and are left out."
