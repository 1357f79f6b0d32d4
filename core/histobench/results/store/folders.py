"""The output folder: one folder per job; its record is written last.

::

    <out>/jobs/<job id>/   job.json  history.csv  predictions.h5  checkpoint/  log.txt  record.json

The process that works on a job holds the lock file in its folder; the kernel releases it when the process ends, however
it ends. So two runners on one folder share the work, and nothing must be cleaned up after a killed run.
"""

import csv
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from histobench.errors import DataError, StoreError
from histobench.files import remove_leftovers, store_error, store_errors, write_atomically
from histobench.results.records import JobSpec, RunRecord, read_record

__all__ = ["JobFolder", "Store", "write_history"]


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The folder of one job."""

    path: Path

    @property
    def resume(self) -> Path:
        """Folder of the checkpoints of an unfinished fit."""
        return self.path / "resume"

    @property
    def checkpoint(self) -> Path:
        """Folder of the fitted method, complete once ``fitted.json`` exists in it."""
        return self.path / "checkpoint"

    @property
    def predictions(self) -> Path:
        """File of the stored predictions."""
        return self.path / "predictions.h5"

    def record(self) -> RunRecord | None:
        """Read the record, or return ``None``; a corrupt one is renamed, so that the job runs again."""
        if not (self.path / "record.json").exists():
            return None
        try:
            return self.read()
        except DataError as error:
            self.set_aside(str(error))
            return None

    def read(self) -> RunRecord:
        """Read the record.

        Raises
        ------
        DataError
            If it is damaged or another job's.
        """
        record = read_record(self.path / "record.json")
        if record.job_id != self.path.name:
            raise DataError(f"{self.path / 'record.json'} belongs to job {record.job_id}.")
        return record

    def set_aside(self, why: str) -> None:
        """Rename the record, so that the job counts as not done."""
        aside = self.path / f"record.corrupt-{time.time_ns()}.json"
        (self.path / "record.json").replace(aside)
        self.log(f"record set aside as {aside.name}: {why}")

    @contextmanager
    def claim(self) -> Iterator[bool]:
        """Hold the job's lock; yield False at once if another process holds it."""
        with store_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.path / ".lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            yield False
            return
        except OSError as error:
            raise store_error(self.path, error) from error
        try:
            yield True
        finally:
            lock.release()

    def forget_fit(self) -> None:
        """Rename the checkpoint that an earlier attempt saved."""
        self.checkpoint.replace(self.path / f"checkpoint.unreadable-{time.time_ns()}")

    def begin(self, spec: JobSpec) -> None:
        """Write the job's specification, after removing partial files of killed processes."""
        remove_leftovers(self.path)
        write_atomically(self.path / "job.json", spec.model_dump_json(indent=1).encode())

    def finish(self, record: RunRecord) -> None:
        """Write the record: from now on the job is done, and its training checkpoints are removed."""
        history = [dict(epoch) for epoch in record.epochs]
        if history:
            write_history(self.path / "history.csv", history)
        write_atomically(self.path / "record.json", record.model_dump_json(indent=1).encode())
        if record.status == "done":
            shutil.rmtree(self.resume, ignore_errors=True)

    def log(self, text: str) -> None:
        """Add lines to the job's log, each with the time."""
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        with store_errors(self.path), (self.path / "log.txt").open("a", encoding="utf-8") as file:
            file.writelines(f"{now} {line}\n" for line in text.splitlines())


class Store:
    """An output folder.

    Raises
    ------
    StoreError
        On opening, if the folder is a file, cannot be written to, or its disk is full.
    """

    def __init__(self, out: Path, *, write: bool = True) -> None:
        self.out = out
        self.jobs = out / "jobs"
        if write:
            with store_errors(out):
                self.jobs.mkdir(parents=True, exist_ok=True)
                remove_leftovers(out)
            write_atomically(out / ".writable", b"histobench writes here\n")  # fails now, not after an hour
        elif not self.jobs.is_dir():
            raise StoreError(f"{str(out)!r} holds no study: there is no folder 'jobs' in it.")

    def folder(self, job_id: str) -> JobFolder:
        """Return a job's folder, which need not exist yet."""
        return JobFolder(self.jobs / job_id)

    def records(self) -> tuple[list[RunRecord], list[str]]:
        """Return every record, sorted by job id, and for each one that cannot be read, why; no file is changed."""
        records, damaged = [], []
        for path in sorted(self.jobs.glob("*/record.json")):
            try:
                records.append(JobFolder(path.parent).read())
            except DataError as error:
                damaged.append(str(error))
        return records, damaged


def write_history(path: Path, history: Sequence[Mapping[str, float | None]]) -> None:
    """Write numbers per epoch as CSV, one column per name."""
    names = list(dict.fromkeys(name for epoch in history for name in epoch))
    with store_errors(path.parent), path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=["epoch", *names])
        writer.writeheader()
        writer.writerows({"epoch": number, **epoch} for number, epoch in enumerate(history))
