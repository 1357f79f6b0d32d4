"""What an analysis receives, and what it returns."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from matplotlib.figure import Figure

from histobench.contracts.registry import Registry
from histobench.contracts.tasks import TASKS
from histobench.data import Kind, SlideResult
from histobench.errors import DataError, explain
from histobench.results.records import RunRecord, ranking_metric
from histobench.results.store import Store, read_predictions

__all__ = ["AMOUNTS", "Cell", "Findings", "StudyResults", "job_by_job", "label_of"]

SeenT = TypeVar("SeenT")

AMOUNTS: frozenset[Kind] = frozenset(kind for kind, facts in TASKS.items() if facts.is_amount)
"""Kinds whose values are amounts that are read off the image."""

Cell = str | int | float | None
"""A cell of a table; NaN is undefined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResults:
    """A finished study, or the selected part of it.

    Attributes
    ----------
    records
        The records of its jobs.
    metric
        The requested metric; ``None`` for the one that ranks each kind of target.
    """

    store: Store
    registry: Registry
    records: tuple[RunRecord, ...]
    data_root: Path | None = None
    metric: str | None = None

    def done(self) -> list[RunRecord]:
        """List the finished jobs, by dataset, target, method, fold and seed."""
        done = [record for record in self.records if record.status == "done"]
        return sorted(done, key=lambda r: (r.job.dataset, r.job.target, label_of(r), r.job.fold, r.job.seed))

    def metric_of(self, record: RunRecord) -> str:
        """Return the name of the metric that a job is judged by.

        Raises
        ------
        DataError
            If the job has no score for it.
        """
        name = self.metric or ranking_metric([record]) or ""
        if name not in record.scores:
            raise DataError(f"job {record.job_id} ({record.job.method}) has no score for {name!r}.")
        return name

    def predictions(self, record: RunRecord) -> list[SlideResult]:
        """Read a job's stored predictions."""
        return read_predictions(self.store.folder(record.job_id).predictions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The result of an analysis.

    Attributes
    ----------
    tables
        File name without suffix → rows, each column → value.
    figures
        File name without suffix → figure.
    notes
        What a reader must know, one sentence each.
    """

    tables: Mapping[str, Sequence[Mapping[str, Cell]]] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    notes: Sequence[str] = ()


def job_by_job(
    study: StudyResults, kinds: Collection[Kind], look: Callable[[RunRecord], SeenT | None], /
) -> tuple[list[tuple[RunRecord, SeenT]], list[str]]:
    """Analyse every finished job of some kinds; a job that fails does not stop the others.

    Parameters
    ----------
    look
        Returns the result for a job, or ``None`` if there is nothing to analyse.

    Returns
    -------
    Jobs with their results, and a sentence for each that failed.
    """
    found, failed = [], []
    for record in study.done():
        if record.job.kind not in kinds:
            continue
        try:
            seen = look(record)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- third-party datasets and methods may raise anything
            failed.append(f"job {record.job_id} ({record.job.method}) is left out: {explain(error)}")
            continue
        if seen is not None:
            found.append((record, seen))
    return found, failed


def label_of(record: RunRecord) -> str:
    """Return the method and encoder of a job, for display."""
    job = record.job
    return job.method if job.encoder is None else f"{job.method} · {job.encoder} ({job.mode})"
