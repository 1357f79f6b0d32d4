"""What the front page shows, as plain data: the templates only lay it out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from histobench.records import RunRecord
from histobench.statistics import Board, Ground, Standing, standings
from histobench_leaderboard.axis import Span, axis_of, span_of
from histobench_leaderboard.text import duration, memory, number, signed

__all__ = ["BoardView", "Cell", "FailedJob", "IndexPage", "JobLink", "RowView", "Section", "index_page"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A text and the number it is sorted by; ``None`` sorts last."""

    text: str
    sort: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLink:
    """A job, named by its fold and seed."""

    id: str
    name: str
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RowView:
    """One row of a table.

    Attributes
    ----------
    role
        ``method``, ``control`` or ``ceiling``.
    under_control
        True if a control is better.
    per_unit
        Patient or slide → score, as text.
    """

    role: str
    rank: Cell
    rank_range: str
    ties: str
    method: str
    variant: str
    encoder: str
    mode: str
    stands_in_for: str
    contamination: str
    score: Cell
    interval: str
    span: Span | None
    versus: Cell
    versus_interval: str
    versus_name: str
    versus_p: str
    under_control: bool
    undefined: Cell
    pooled: Cell
    seconds: Cell
    memory: str
    coverage: Cell
    incomplete: bool
    failed: bool
    leaks: bool
    per_unit: tuple[tuple[str, str], ...]
    jobs: tuple[JobLink, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardView:
    """One ranking: a metric on one ground.

    Attributes
    ----------
    column
        The column that is shown, of a metric that has several.
    baseline
        Place of the best control on the axis.
    axis
        Texts at both ends of it.
    """

    id: str
    metric: str
    column: str
    direction: str
    unit: str
    rows: tuple[RowView, ...]
    warnings: tuple[str, ...]
    baseline: float | None
    axis: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One ground with a board for each metric, the ranking one first."""

    id: str
    dataset: str
    target: str
    scheme: str
    leaks: bool
    facts: tuple[tuple[str, str], ...]
    boards: tuple[BoardView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedJob:
    """A job that failed, and why."""

    id: str
    name: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPage:
    """The front page."""

    sections: tuple[Section, ...]
    failed: tuple[FailedJob, ...]
    left_out: tuple[tuple[str, str], ...]
    n_jobs: int
    latest: str


def index_page(records: Sequence[RunRecord], left_out: Mapping[str, str]) -> IndexPage:
    """Make the front page.

    Parameters
    ----------
    left_out
        Files that are no record → why.
    """
    by_id = {record.job_id: record for record in records}
    grounds = _by_ground(records)
    sections = tuple(_section(f"board-{place}", grounds[key], by_id=by_id) for place, key in enumerate(sorted(grounds)))
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


def _by_ground(records: Sequence[RunRecord]) -> dict[tuple[Ground, str, tuple[str, ...], int], list[Board]]:
    """Bring together the boards of every metric on one ground; a second one of the same metric starts anew."""
    grouped: dict[tuple[Ground, str, tuple[str, ...], int], list[Board]] = {}
    for metric in sorted({name for record in records for name in record.scores}):
        for board in standings(records, metric):
            base = (board.ground, board.panel, tuple(board.slides))
            again = sum(metric in {b.metric for b in found} for key, found in grouped.items() if key[:3] == base)
            grouped.setdefault((*base, again), []).append(board)
    return grouped


def _job_name(record: RunRecord) -> str:
    job = record.job
    return f"{job.method} on {job.dataset} {job.target}, fold {job.fold}, seed {job.seed}"


def _section(anchor: str, boards: Sequence[Board], *, by_id: Mapping[str, RunRecord]) -> Section:
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
    )
    return Section(
        id=anchor,
        dataset=ground.dataset,
        target=ground.target,
        scheme=ground.scheme,
        leaks=ground.leaks,
        facts=facts,
        boards=tuple(_board(f"{anchor}-{place}", board, by_id=by_id) for place, board in enumerate(ordered)),
    )


def _board(anchor: str, board: Board, *, by_id: Mapping[str, RunRecord]) -> BoardView:
    axis = axis_of(board)
    baselines = [r.score for r in board.rows if r.control and not r.oracle and math.isfinite(r.score)]
    best = (max if board.higher_is_better else min)(baselines) if baselines else None
    return BoardView(
        id=anchor,
        metric=board.metric,
        column=_headline(board, by_id),
        direction="higher is better" if board.higher_is_better else "lower is better",
        unit=board.unit,
        rows=tuple(_row(row, board, by_id=by_id) for row in board.rows),
        warnings=board.warnings,
        baseline=None if best is None else axis.place(best),
        axis=(number(axis.low, 2), number(axis.high, 2)),
    )


def _headline(board: Board, by_id: Mapping[str, RunRecord]) -> str:
    """Name the column that speaks for the board's metric; empty where it has none."""
    jobs = (by_id[job].scores for row in board.rows for job in row.job_ids)
    return next((scores[board.metric].headline for scores in jobs if board.metric in scores), "")


def _row(row: Standing, board: Board, *, by_id: Mapping[str, RunRecord]) -> RowView:
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
        score=_cell(row.score, number(row.score)),
        interval=f"{number(row.low)} to {number(row.high)}" if math.isfinite(row.low) else "",
        span=span_of(row, axis_of(board)),
        versus=_cell(best.difference if best else math.nan, signed(best.difference) if best else ""),
        versus_interval=f"{signed(best.low)} to {signed(best.high)}" if best and math.isfinite(best.low) else "",
        versus_name=best.other if best else "",
        versus_p=f"p {best.p_holm:.2g}" if best and math.isfinite(best.p_holm) else "",
        under_control=row.beats_controls is False and not row.control,
        undefined=Cell(text=f"{row.undefined} of {row.total}", sort=row.undefined / row.total if row.total else None),
        pooled=_cell(row.pooled, number(row.pooled)),
        seconds=_cell(row.seconds, duration(row.seconds)),
        memory=memory(peak) if math.isfinite(peak) else "",
        coverage=Cell(text=_coverage(row, folds), sort=done),
        incomplete=done < folds,
        failed=not row.job_ids,
        leaks=row.leaks,
        per_unit=tuple((name, number(score)) for name, score in row.per_unit.items()),
        jobs=tuple(_links(row, by_id)),
    )


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
