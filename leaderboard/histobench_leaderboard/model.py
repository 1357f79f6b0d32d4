"""The content of the front page as plain data; the templates only lay it out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from histobench import MetricCard
from histobench.results.records import RunRecord
from histobench.results.statistics import Board, Ground, Standing, gallery_told, standings, task_told
from histobench_leaderboard.axis import axis_of, span_of
from histobench_leaderboard.text import duration, memory, number, signed
from histobench_leaderboard.views import BoardView, Cell, FailedJob, IndexPage, JobLink, RowView, Section

__all__ = ["index_page"]


def index_page(
    records: Sequence[RunRecord], left_out: Mapping[str, str], cards: Mapping[str, MetricCard] = MappingProxyType({})
) -> IndexPage:
    """Return the front page.

    Parameters
    ----------
    left_out
        File that is not a record → reason.
    cards
        Cards of the installed metrics, which explain the metrics of the records.
    """
    by_id = {record.job_id: record for record in records}
    grounds = _by_ground(records)
    known = _Known(by_id=by_id, cards=cards)
    sections = tuple(_section(f"board-{place}", grounds[key], known) for place, key in enumerate(sorted(grounds)))
    failed = tuple(
        FailedJob(id=r.job_id, name=_job_name(r), error=r.error or "no reason given")
        for r in sorted(records, key=lambda record: record.job_id)
        if r.status == "failed"
    )
    return IndexPage(
        sections=sections,
        failed=failed,
        left_out=tuple(sorted(left_out.items())),
        n_jobs=len(records),
        latest=max((record.finished for record in records), default="")[:16].replace("T", " "),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """Jobs by id, and metrics by name."""

    by_id: Mapping[str, RunRecord]
    cards: Mapping[str, MetricCard]


_Key = tuple[Ground, str, str, tuple[str, ...], int]


def _by_ground(records: Sequence[RunRecord]) -> dict[_Key, list[Board]]:
    """Group the boards of one ground; a second board of the same metric starts a new group."""
    grouped: dict[_Key, list[Board]] = {}
    for metric in sorted({name for record in records for name in record.scores}):
        for board in standings(records, metric):
            base = (board.ground, board.judge, board.panel, tuple(board.slides))
            again = sum(metric in {b.metric for b in found} for key, found in grouped.items() if key[:4] == base)
            grouped.setdefault((*base, again), []).append(board)
    return grouped


def _job_name(record: RunRecord) -> str:
    job = record.job
    return f"{job.method} on {job.dataset} {job.target}, fold {job.fold}, seed {job.seed}"


def _section(anchor: str, boards: Sequence[Board], known: _Known) -> Section:
    ground = boards[0].ground
    ordered = sorted(boards, key=lambda board: (not board.ranks, board.metric))
    first = ordered[0]
    targets = " to ".join(str(n) for n in sorted({first.n_targets[0], first.n_targets[-1]}))
    facts = (
        ("targets", f"{targets}, in {first.panel_unit}" if first.panel_unit else targets),
        ("slides", f"{len(first.slides)} of {len(set(first.slides.values()))} patients"),
        ("folds", ", ".join(first.folds)),
        ("edition", ground.edition),
        ("panel", first.panel),
        ("gallery", gallery_told(first)),
        ("judge", first.judge),
    )
    return Section(
        id=anchor,
        dataset=ground.dataset,
        target=ground.target,
        scheme=ground.scheme,
        apart=first.apart,
        told=task_told(first),
        leaks=ground.leaks,
        facts=tuple((name, text) for name, text in facts if text),
        boards=tuple(_board(f"{anchor}-{place}", board, known) for place, board in enumerate(ordered)),
    )


def _board(anchor: str, board: Board, known: _Known) -> BoardView:
    axis = axis_of(board)
    baselines = [r.score for r in board.rows if r.control and not r.oracle and math.isfinite(r.score)]
    best = (max if board.higher_is_better else min)(baselines) if baselines else None
    card = known.cards.get(board.metric)
    columns = next((tuple(row.columns) for row in board.rows if row.columns), ())
    shown = columns if len(columns) <= _MOST_COLUMNS else ()
    rows = tuple(_row(row, board, by_id=known.by_id, columns=shown) for row in board.rows)
    return BoardView(
        id=anchor,
        metric=board.metric,
        title=card.title if card else "",
        headline=board.headline,
        describes=board.describes,
        columns=tuple((name, card.meanings.get(name, "") if card else "") for name in shown),
        direction="higher is better" if board.higher_is_better else "lower is better",
        unit=board.unit,
        rows=rows,
        cut=any(row.span is not None and (row.span.cut_low or row.span.cut_high) for row in rows),
        warnings=board.warnings,
        baseline=None if best is None else axis.place(best),
        axis=(number(axis.low, 2), number(axis.high, 2)),
    )


_MOST_COLUMNS = 12
"""The most columns of a metric that are shown; a metric with more has one per target or pair of targets."""


def _row(row: Standing, board: Board, *, by_id: Mapping[str, RunRecord], columns: Sequence[str]) -> RowView:
    best = None if row.control else row.best_control
    peak = max(row.peak_memory_mb.values(), default=math.nan)
    done, folds = len(row.folds_done), len(board.folds)
    return RowView(
        role="ceiling" if row.oracle else "control" if row.control else "method",
        rank=Cell(text=str(row.rank or ""), sort=row.rank),
        rank_range=_range(row),
        ties=row.ties,
        method=row.method,
        variant=row.variant,
        encoder=row.encoder or "",
        mode=row.mode or "",
        stands_in_for=row.stands_in_for or "",
        contamination=" and ".join(row.contamination),
        score=_cell(row.score, number(row.score) if row.total else "–"),
        interval=f"{number(row.low)} to {number(row.high)}" if math.isfinite(row.low) else "",
        span=span_of(row, axis_of(board)),
        versus=_cell(best.difference if best else math.nan, signed(best.difference) if best else ""),
        versus_interval=f"{signed(best.low)} to {signed(best.high)}" if best and math.isfinite(best.low) else "",
        versus_name=best.other if best else "",
        versus_p=f"p {best.p_holm:.2g}" if best and math.isfinite(best.p_holm) else "",
        under_control=row.beats_controls is False and not row.control and not board.describes,
        undefined=_undefined(row),
        pooled=_cell(row.pooled, number(row.pooled) if row.total else "–"),
        seconds=_cell(row.seconds, duration(row.seconds) if math.isfinite(row.seconds) else "–"),
        memory=memory(peak) if math.isfinite(peak) else "",
        coverage=Cell(text=_coverage(row, folds), sort=done),
        incomplete=done < folds,
        failed=not row.job_ids,
        leaks=row.leaks,
        per_unit=tuple((name, number(score)) for name, score in row.per_unit.items()),
        columns=tuple(_cell(score, number(score)) for score in (row.columns.get(name, math.nan) for name in columns)),
        jobs=tuple(_links(row, by_id)),
    )


def _undefined(row: Standing) -> Cell:
    if not row.total:
        return Cell(text="–")
    return Cell(text=f"{row.undefined} of {row.total}", sort=row.undefined / row.total)


def _cell(value: float, text: str) -> Cell:
    return Cell(text=text, sort=value if math.isfinite(value) else None)


def _range(row: Standing) -> str:
    if row.rank_range is None or row.rank_range[0] == row.rank_range[1]:
        return ""
    return f"{row.rank_range[0]}–{row.rank_range[1]}"


def _coverage(row: Standing, folds: int) -> str:
    failed = f", {len(row.failed_job_ids)} failed" if row.failed_job_ids else ""
    seeds = f", {row.n_seeds} seeds" if row.n_seeds > 1 else ""
    return f"{len(row.folds_done)} of {folds}{failed}{seeds}"


def _links(row: Standing, by_id: Mapping[str, RunRecord]) -> list[JobLink]:
    links = []
    for job_id in (*row.job_ids, *row.failed_job_ids):
        job = by_id[job_id].job
        name = f"fold {job.fold}" + (f", seed {job.seed}" if row.n_seeds > 1 else "")
        links.append(JobLink(id=job_id, name=name, failed=job_id in row.failed_job_ids))
    return links
