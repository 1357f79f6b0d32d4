"""Run a study: every job that has no record yet, shared with whoever else works on the same folder."""

import functools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from histobench.contracts.protocols import Executor
from histobench.errors import DataError
from histobench.results.records import JobSpec, RunRecord
from histobench.results.store import Store
from histobench.study.job import Workspace, failure, now, rescore, run_job

__all__ = ["Outcome", "run_study"]

POLL_SECONDS = 0.5
"""How long to wait before asking again for a job that another runner holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a job: its record, whether it was done now or before, or that somebody else holds it."""

    job_id: str
    spec: JobSpec
    record: RunRecord | None = None
    done_now: bool = False


def run_study(jobs: Mapping[str, JobSpec], workspace: Workspace, executor: Executor) -> Iterator[Outcome]:
    """Run every job that has no record yet; yield each job's outcome once, in the order in which they end.

    Jobs that another runner holds are waited for, and taken over if that runner dies.

    Parameters
    ----------
    jobs
        Job id → what to do.

    Raises
    ------
    StoreError
        If the output folder cannot be written to any more.
    """
    pending = list(jobs.items())
    work = functools.partial(_claim_and_run, workspace=workspace)
    died = functools.partial(_record_death, workspace=workspace)
    while pending:
        held: list[tuple[str, JobSpec]] = []
        for outcome in executor.run(pending, work, died):
            if outcome.record is None:
                held.append((outcome.job_id, outcome.spec))
            else:
                yield outcome
        pending = held
        if pending:
            time.sleep(POLL_SECONDS)


def _claim_and_run(job: tuple[str, JobSpec], workspace: Workspace) -> Outcome:
    job_id, spec = job
    folder = Store(workspace.out).folder(job_id)
    with folder.claim() as ours:
        if not ours:
            return Outcome(job_id=job_id, spec=spec)
        record = folder.record()
        if record is not None and (record.status == "done" or record.finished >= workspace.since):
            try:
                return Outcome(job_id=job_id, spec=spec, record=rescore(record, folder, workspace.metrics))
            except DataError as error:
                folder.set_aside(str(error))  # its predictions are lost; what was fitted is not
        return Outcome(job_id=job_id, spec=spec, record=run_job(job_id, spec, workspace), done_now=True)


def _record_death(job: tuple[str, JobSpec], cause: str, workspace: Workspace) -> Outcome:
    job_id, spec = job
    folder = Store(workspace.out).folder(job_id)
    record = failure(job_id, spec, started=now(), error=cause)
    folder.log(f"failed: {cause}")
    folder.finish(record)
    return Outcome(job_id=job_id, spec=spec, record=record, done_now=True)
