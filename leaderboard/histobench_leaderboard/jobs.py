"""The content of a job's page as plain data."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from histobench import MetricCard
from histobench.results.records import MetricScores, RunRecord
from histobench_leaderboard.charts import Chart, charts
from histobench_leaderboard.text import duration, memory, number
from histobench_leaderboard.views import Cell

__all__ = ["JobPage", "Table", "job_page"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A header and rows; the first cell of a row names it."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """One job.

    Attributes
    ----------
    facts, versions
        Pairs of a name and a text.
    slides
        A row per metric and a column per test slide; a metric with several columns has a row for each.
    targets
        A row a target: mean over slides of every metric.
    targets
        A row a target: mean over slides of every metric.
    columns
        A row a column of every metric that has several: its scores slide by slide.
    picture
        File name of the spot map; empty where there is none, with the reason in ``no_picture``.
    draws
        True if the picture is of generated patches.
    """

    id: str
    title: str
    status: str
    error: str
    marks: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    slides: Table
    targets: Table
    charts: tuple[Chart, ...]
    warnings: tuple[str, ...]
    picture: str
    no_picture: str
    draws: bool


def job_page(record: RunRecord, cards: Mapping[str, MetricCard], *, picture: str, no_picture: str) -> JobPage:
    """Return the page of a job.

    Parameters
    ----------
    cards
        Cards of the installed metrics, which explain the metrics of the record.
    """
    job = record.job
    metrics = sorted(record.scores, key=lambda name: (not record.scores[name].ranks, name))
    return JobPage(
        id=record.job_id,
        title=f"{job.method} on {job.dataset}, {job.target}, fold {job.fold}",
        status=record.status,
        error=record.error or "",
        marks=tuple(_marks(record)),
        facts=tuple(_facts(record)),
        options=tuple((name, json.dumps(value, ensure_ascii=False)) for name, value in sorted(job.options.items())),
        versions=tuple(sorted({**record.versions, **job.versions}.items())),
        slides=_slides(record, metrics, cards),
        targets=_targets(record, metrics),
        charts=tuple(charts(record.epochs, record.best_epoch)),
        warnings=record.warnings,
        picture=picture,
        no_picture=no_picture,
        draws=job.kind == "generate",
    )


def _marks(record: RunRecord) -> list[str]:
    job = record.job
    marks = ["ceiling: was given the truth"] if job.oracle else ["control"] if job.control else []
    if job.leaks:
        marks.append("leaks: patients are in both training and test")
    if job.stands_in_for:
        marks.append(f"stands in for {job.stands_in_for}, whose weights were not available")
    if job.contamination:
        marks.append(f"encoder pretrained on {' and '.join(job.contamination)}, where tested slides come from")
    return marks


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    job, panel = record.job, record.panel
    seconds = ", ".join(f"{name} {duration(value)}" for name, value in record.seconds.items())
    peaks = ", ".join(f"{name} {memory(value)}" for name, value in record.peak_memory_mb.items())
    facts = [
        ("method", job.method),
        ("encoder", f"{job.encoder} ({job.mode})" if job.encoder else "none"),
        ("weights", job.weights),
        ("dataset", f"{job.dataset}, edition {job.edition}"),
        ("target", f"{job.target} ({len(record.targets)} targets)"),
        ("panel", f"{panel.hash}, in {panel.unit}" if panel else ""),
        ("panel fitted on", " ".join(panel.fitted_on) if panel else ""),
        ("scheme", f"{job.scheme}, fold {job.fold}"),
        ("train", f"{_named(job.train, job.patients)}; {record.n_train_spots} spots"),
        ("validation", _named(job.val, job.patients)),
        ("test", _named(job.test, job.patients)),
        ("judge", job.judge),
        ("seed", str(job.seed)),
        ("precision", job.precision),
        ("device", f"{job.device}, {job.threads} thread{'s' if job.threads != 1 else ''}"),
        ("best epoch", str(record.best_epoch) if record.best_epoch is not None else ""),
        ("time", seconds),
        (
            "prediction",
            f"{record.predict_spots_per_second:.0f} spots/s" if record.predict_spots_per_second else "",
        ),
        ("peak memory", peaks),
        ("machine", ", ".join(f"{name} {value}" for name, value in record.machine.items())),
        ("git commit", record.git_commit or ""),
        ("repeatable", record.determinism),
        ("started", record.started),
        ("finished", record.finished),
    ]
    return [(name, text) for name, text in facts if text]


def _named(slides: Sequence[str], patients: dict[str, str]) -> str:
    return ", ".join(f"{slide} (patient {patients.get(slide, 'unknown')})" for slide in slides)


def _slides(record: RunRecord, metrics: Sequence[str], cards: Mapping[str, MetricCard]) -> Table:
    """Return a table of every metric on every slide, with all columns of metrics that have several."""
    slides = tuple(record.n_spots)
    rows = []
    for metric in metrics:
        scores, card = record.scores[metric], cards.get(metric)
        title = card.title if card else ""
        headline = f"; the score is “{scores.headline}”" if scores.headline else ""
        cells = (_score(scores, slide) for slide in slides)
        rows.append((Cell(text=metric, note=f"{title}{headline}".lstrip("; ")), *cells))
        rows += _columns(metric, scores, card)
    header = ("score", *(f"{slide} ({record.n_spots[slide]} spots)" for slide in slides))
    return Table(header=header, rows=tuple(rows))


def _columns(metric: str, scores: MetricScores, card: MetricCard | None) -> Iterator[tuple[Cell, ...]]:
    """Yield a row for each column of a metric, such as its bias or chance level."""
    values = scores.table()[1]
    for place, name in enumerate(scores.columns if len(scores.columns) > 1 else ()):
        note = card.meanings.get(name, "") if card else ""
        yield (Cell(text=f"{metric}: {name}", note=note), *(_mean([score]) for score in values[:, place]))


def _targets(record: RunRecord, metrics: Sequence[str]) -> Table:
    metrics = [metric for metric in metrics if not record.scores[metric].columns]  # those have no score per target
    tables = {metric: record.scores[metric].table()[1] for metric in metrics}
    rows = [
        (Cell(text=name), *(_mean(list(tables[metric][:, column])) for metric in metrics))
        for column, name in enumerate(record.targets)
    ]
    return Table(header=("target", *metrics), rows=tuple(rows) if metrics else ())


def _score(scores: MetricScores, slide: str) -> Cell:
    row = scores.per_slide.get(slide, ())
    return _mean([scores.overall(row)] if scores.columns else [math.nan if s is None else s for s in row])


def _mean(values: Sequence[float]) -> Cell:
    """Return the mean of the defined scores, and the number of undefined ones."""
    scores = np.asarray(values, dtype=np.float64)
    defined = scores[np.isfinite(scores)]
    if not defined.size:
        return Cell(text="undefined")
    missing = f" ({scores.size - defined.size} undefined)" if defined.size < scores.size else ""
    return Cell(text=number(float(defined.mean())) + missing, sort=float(defined.mean()))
