"""``histobench results`` and ``histobench score``."""

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from histobench.cli.names import STUDY, PluginNames

if TYPE_CHECKING:
    from histobench.cli import App
    from histobench.results.records import RunRecord
    from histobench.results.statistics import Board, Comparison, Standing
    from histobench.results.store import Store

__all__ = ["make_boards", "print_boards", "read_records", "results", "score"]


@click.command()
@STUDY
@click.option("--metric", type=PluginNames("metrics"), help="Metric to rank by. [the main metric of each task]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.pass_obj
def results(app: "App", study: Path, metric: str | None, as_json: bool, as_csv: bool) -> None:
    """Show the standings of a study: scores with intervals, ranks and controls."""
    from histobench.results.statistics import rows
    from histobench.results.store import Store

    records = read_records(app, Store(study, write=False))
    if not (as_json or as_csv):
        print_boards(app, records, metric=metric)
        return
    flat = [row for board in make_boards(records, metric) for row in rows(board)]
    (app.output.json if as_json else app.output.csv)(flat)


@click.command()
@STUDY
@click.option("--metrics", type=PluginNames("metrics"), help="Comma-separated. [all]")
@click.pass_obj
def score(app: "App", study: Path, metrics: str | None) -> None:
    """Add missing metrics to finished jobs, from their stored predictions."""
    from histobench.errors import DataError
    from histobench.results.store import Store
    from histobench.study.job import rescore

    names = metrics.split(",") if metrics else app.registry.metrics.names()
    cards = [app.registry.metrics.get(name) for name in names]
    store = Store(study, write=False)
    changed = failed = 0
    passed_over: dict[str, str] = {}
    for record in read_records(app, store):
        folder = store.folder(record.job_id)
        with folder.claim() as ours:
            if not ours:
                app.output.warn(f"job {record.job_id} is running now and is skipped.")
                continue
            try:
                scored = rescore(record, folder, cards)
                changed += scored is not record
                passed_over |= scored.passed_over
            except DataError as error:
                failed += 1
                app.output.warn(f"job {record.job_id} is not changed: {error}")
    for name in sorted(set(passed_over).intersection(names)):
        (app.output.warn if metrics else app.output.note)(f"{name} is not computed: {passed_over[name]}.")
    app.output.result(f"{changed} records were scored with new metrics.")
    sys.exit(1 if failed else 0)


def read_records(app: "App", store: "Store") -> "list[RunRecord]":
    """Read the records of a study, and warn of those that cannot be read."""
    records, damaged = store.records()
    for sentence in damaged:
        app.output.warn(f"left out: {sentence}")
    return records


def print_boards(app: "App", records: "Sequence[RunRecord]", *, metric: str | None) -> None:
    """Print a table for each dataset, target and scheme, with notes on how to read it."""
    boards = make_boards(records, metric)
    if not boards:
        app.output.result("no job has a score yet.")
    for board in boards:
        leaks = "; LEAKS: patients are in both training and test" if board.ground.leaks else ""
        title = f"{board.title} | {board.metric} per slide{leaks}"
        app.output.table([_row(board, row) for row in board.rows], _HEADER, title=title)
        for sentence in _told(app, board):
            app.output.result(sentence)
        _print_columns(app, board)
        for warning in board.warnings:
            app.output.warn(warning)
        app.output.result()


_HEADER = (
    *("", "places", "method", "encoder", "score", "95 %", "undefined", "pooled"),
    *("vs best control", "vs leader", "skill", "folds", "time", "jobs"),
)

_MOST_JOBS = 4
"""The most job ids that a row shows, each by its first characters."""

_MOST_COLUMNS = 12
"""The most columns of a metric that are shown; a metric with more has one per target or pair of targets."""


def _told(app: "App", board: "Board") -> Iterator[str]:
    """Yield the notes below a table."""
    from histobench.results.statistics import ceiling_told, gallery_told, task_told

    facts = {"": task_told(board), "gallery: ": gallery_told(board), "judge: ": board.judge}
    if told := "; ".join(f"{name}{text}" for name, text in facts.items() if text):
        yield f"{board.ground.target}: {told}."
    title = _card(app, board, "title", "")
    score = f"; the score is {board.headline!r}" if board.headline else ""
    yield (
        f"{board.metric}: {title + score + '; ' if title else ''}mean over targets, seeds, slides and patients, in "
        f"that order; 95 % is a bootstrap-t interval over {board.unit}."
    )
    if board.describes:
        return
    ceiling = ceiling_told(board)
    skill = f"skill: 0 at the best control, 1 at {ceiling}" if ceiling else "no skill, because the ceiling is unknown"
    yield (
        f"places: ranks that cannot be excluded over {board.unit}; methods that share a letter do not clearly differ; "
        f"p: sign-flip test over {board.unit} after Holm's correction; {skill}."
    )


def _card(app: "App", board: "Board", name: str, default: Any) -> Any:  # Any: an attribute of a card
    """Return a fact of the metric's card, or the default where the metric is not installed."""
    cards = app.registry.metrics
    return getattr(cards.get(board.metric), name) if board.metric in cards.names() else default


def _print_columns(app: "App", board: "Board") -> None:
    """Print all columns of a metric that has several."""
    names = list(next((row.columns for row in board.rows if row.columns), {}))
    if not 1 < len(names) <= _MOST_COLUMNS:
        return
    rows = [[row.label, *(_number(row.columns[name]) for name in names)] for row in board.rows if row.columns]
    app.output.table(rows, ("method", *names), title=f"all columns of {board.metric}, mean over {board.unit}:")
    meanings = _card(app, board, "meanings", {})
    for name in names:
        if name in meanings:
            app.output.result(f"  {name}: {meanings[name]}")


def _row(board: "Board", row: "Standing") -> list[str]:
    encoder = f"{row.encoder} ({row.mode})" if row.encoder else "-"
    saw = f", saw {' and '.join(row.contamination)}" if row.contamination else ""
    jobs = [*row.job_ids, *row.failed_job_ids]
    return [
        _place(row),
        f"{row.rank_range[0]}-{row.rank_range[1]} {row.ties}".rstrip() if row.rank_range else "-",
        row.method + (f" [{row.variant}]" if row.variant else ""),
        encoder + (f", for {row.stands_in_for}" if row.stands_in_for else "") + saw,
        _number(row.score),
        f"{_number(row.low)} to {_number(row.high)}" if math.isfinite(row.low) else "-",
        f"{row.undefined}/{row.total}" if row.undefined else "-",
        _number(row.pooled),
        _against(row, describes=board.describes),
        f"{row.versus_leader.difference:+.3f}{_p(row.versus_leader)}" if row.versus_leader else "-",
        f"{row.normalised_skill:.3f}" if math.isfinite(row.normalised_skill) else "-",
        f"{len(row.folds_done)}/{len(board.folds)}",
        f"{row.seconds:.1f} s" if math.isfinite(row.seconds) else "-",
        " ".join(job[:8] for job in jobs[:_MOST_JOBS])
        + (f" +{len(jobs) - _MOST_JOBS}" if len(jobs) > _MOST_JOBS else ""),
    ]


def _place(row: "Standing") -> str:
    if row.oracle:
        return "ceiling"
    if row.control:
        return "control"
    return "-" if row.rank is None else str(row.rank)


def _against(row: "Standing", *, describes: bool) -> str:
    """Return the difference to the best control; a method that scores worse is marked."""
    best = row.best_control
    if best is None or row.control:
        return "-"
    under = "" if row.beats_controls or describes else "UNDER "
    return f"{best.difference:+.3f} {under}{best.other}{_p(best)}"


def _p(comparison: "Comparison") -> str:
    return f", p {comparison.p_holm:.2g}" if math.isfinite(comparison.p_holm) else ""


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "undefined"


def make_boards(records: "Sequence[RunRecord]", metric: str | None) -> "list[Board]":
    """Make the boards of one metric, or of the metric that ranks each kind of target."""
    from histobench.errors import ConfigError, did_you_mean
    from histobench.results.statistics import standings

    known = {name for record in records for name in record.scores}
    if metric is not None and metric not in known:
        why = [record.passed_over[metric] for record in records if metric in record.passed_over]
        if why:
            raise ConfigError(f"{metric!r} could not be computed for these records: {why[0]}.")
        raise did_you_mean("metric in these records", metric, known)
    return standings(records, metric)
