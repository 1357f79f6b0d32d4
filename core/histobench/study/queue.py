"""Run a study: every job that has no record yet, shared with all other runners on the same folder."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

from histobench.contracts.protocols import Executor
from histobench.errors import DataError
from histobench.results.records import JobSpec, RunRecord
from histobench.results.store import Store
from histobench.study.executors import in_turn
from histobench.study.job import failure, rescore, run_job
from histobench.study.workspace import Workspace, now

__all__ = ["Outcome", "Work", "run_study"]

POLL_SECONDS = 0.5
"""How long to wait before asking again for a job that another runner holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The record of a job, and whether it was run now or before; no record while another runner holds the job."""

    job_id: str
    spec: JobSpec
    record: RunRecord | None = None
    done_now: bool = False


def run_study(jobs: Mapping[str, JobSpec], workspace: Workspace, executor: Executor | None) -> Iterator[Outcome]:
    """Run every job that has no record yet; yield each job's outcome once, in the order in which they end.

    Jobs that another runner holds are waited for, and taken over if that runner dies.

    Parameters
    ----------
    jobs
        Job id → what to do.
    executor
        Runs jobs in other processes; ``None`` runs them in this one, one after another.

    Raises
    ------
    StoreError
        If the output folder can no longer be written to.
    """
    pending = list(jobs.items())
    work = Work(workspace)
    while pending:
        held: list[tuple[str, JobSpec]] = []
        with closing(in_turn(pending)) as here:
            outcomes = executor.run(pending, work.run, work.died) if executor else map(work.run, here)
            for outcome in outcomes:
                if outcome.record is None:
                    held.append((outcome.job_id, outcome.spec))
                else:
                    yield outcome
        pending = held
        if pending:
            time.sleep(POLL_SECONDS)


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with each job of a study; it can be pickled, and is sent to worker processes."""

    workspace: Workspace

    def run(self, job: tuple[str, JobSpec]) -> Outcome:
        """Run a job, unless another runner holds it or its record is there."""
        job_id, spec = job
        folder = Store(self.workspace.out).folder(job_id)
        with folder.claim() as ours:
            if not ours:
                return Outcome(job_id=job_id, spec=spec)
            record = folder.record()
            if record is not None and (record.status == "done" or record.finished >= self.workspace.since):
                try:
                    scored = rescore(record, folder, self.workspace.metric_cards())
                    return Outcome(job_id=job_id, spec=spec, record=scored)
                except DataError as error:
                    folder.set_aside(str(error))  # its predictions are lost; the fitted method is not
            return Outcome(job_id=job_id, spec=spec, record=run_job(job_id, spec, self.workspace), done_now=True)

    def died(self, job: tuple[str, JobSpec], cause: str) -> Outcome:
        """Record the failure of a job whose worker process died."""
        job_id, spec = job
        folder = Store(self.workspace.out).folder(job_id)
        record = failure(job_id, spec, started=now(), error=cause)
        folder.log(f"failed: {cause}")
        folder.finish(record)
        return Outcome(job_id=job_id, spec=spec, record=record, done_now=True)
