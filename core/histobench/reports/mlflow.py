"""MLflow as a view of the records: a parent run per method × encoder × dataset × target × scheme, a run per job.

Everything is logged from finished records, so tracking may fail, be switched off or be lost without harm: the next run,
or ``histobench mlflow``, logs what is missing. One background thread does the logging; an outage is reported once.
"""

import logging
import os
import queue
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import filelock
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run

from histobench.errors import explain
from histobench.reports.maps import job_picture
from histobench.results.records import JobSpec, RunRecord
from histobench.results.statistics.averages import nan_mean, slide_scores, unit_scores
from histobench.results.store import JobFolder, read_predictions

__all__ = ["EXPERIMENT", "URI_VARIABLE", "MlflowTracker", "tracking_uri"]

URI_VARIABLE = "MLFLOW_TRACKING_URI"
"""Names the server; without it the store is an SQLite file in the output folder."""

EXPERIMENT = "histobench"
"""Name of the MLflow experiment."""

CLOSE_SECONDS = 120.0
"""How long to wait, at the end of a study, until everything is logged."""

_JOB_TAG, _GROUP_TAG, _PARENT_TAG = "histobench.job", "histobench.group", "mlflow.parentRunId"
_BATCH = 1000  # metrics in one request, the most that MLflow accepts
_PARAM_LENGTH = 500


def tracking_uri(out: Path) -> str:
    """Return the tracking store of an output folder: ``MLFLOW_TRACKING_URI`` if set, else SQLite inside it."""
    return os.environ.get(URI_VARIABLE) or f"sqlite:///{(out / 'mlflow.db').resolve()}"


class MlflowTracker:
    """Log to MLflow in a thread; a job that is already in the store is skipped."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._jobs: queue.SimpleQueue[tuple[RunRecord, JobFolder] | None] = queue.SimpleQueue()
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def log(self, record: RunRecord, folder: JobFolder) -> None:
        """Queue a job."""
        self._jobs.put((record, folder))

    def close(self) -> str | None:
        """Wait until the queue is empty, but not for ever; return a warning if something is not logged."""
        self._jobs.put(None)
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            self._failure = f"the store did not answer within {CLOSE_SECONDS:.0f} s"
        if self._failure is None:
            return None
        return (
            f"tracking failed ({self._failure}); the records are complete, and "
            f"`histobench mlflow --out {self._out}` logs what is missing."
        )

    def _work(self) -> None:
        store: _Store | None = None
        for record, folder in iter(self._jobs.get, None):
            if self._failure is not None:
                continue
            try:
                # two runners on one folder must not migrate the store at the same time, nor log one job twice
                with filelock.FileLock(self._out / "mlflow.lock"):
                    store = store or _Store(self._out)
                    store.log(record, folder)
            except Exception as error:  # noqa: BLE001 -- an outage of tracking must not stop a study
                self._failure = explain(error)[:300]


class _Store:
    """The MLflow store of one output folder."""

    def __init__(self, out: Path) -> None:
        for name in ("alembic", "mlflow"):  # they report every migration of a new store
            logging.getLogger(name).setLevel(logging.WARNING)
        self._study = out.resolve().name
        self._client = MlflowClient(tracking_uri(out))
        self._experiment = self._open_experiment(out)

    def _open_experiment(self, out: Path) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        local = None if os.environ.get(URI_VARIABLE) else (out / "mlartifacts").resolve().as_uri()
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=local))

    def log(self, record: RunRecord, folder: JobFolder) -> None:
        """Log one job as a nested run, unless it is already there and complete."""
        for run in self._find(_JOB_TAG, record.job_id):
            if run.info.status == "FINISHED" and record.status == "done":
                return
            self._client.delete_run(run.info.run_id)  # incomplete after a kill, or from a failed attempt
        job = record.job
        tags = {_JOB_TAG: record.job_id, _PARENT_TAG: self._parent(job), "histobench.study": self._study}
        run = self._create(f"{_group(job)} | fold {job.fold} seed {job.seed}", tags, record.started)
        self._client.log_batch(run.info.run_id, params=_params(job))
        metrics = _metrics(record)
        for start in range(0, len(metrics), _BATCH):
            self._client.log_batch(run.info.run_id, metrics=metrics[start : start + _BATCH])
        self._log_files(run.info.run_id, record, folder)
        status = "FINISHED" if record.status == "done" else "FAILED"
        self._client.set_terminated(run.info.run_id, status, end_time=_milliseconds(record.finished))

    def _log_files(self, run_id: str, record: RunRecord, folder: JobFolder) -> None:
        if record.status == "done":
            picture = folder.path / "spot_map.png"
            if not picture.exists():
                job_picture(
                    read_predictions(folder.predictions), picture, title=f"{_group(record.job)}, fold {record.job.fold}"
                )
        for name in ("record.json", "predictions.h5", "history.csv", "spot_map.png", "log.txt"):
            if (folder.path / name).exists():
                self._client.log_artifact(run_id, str(folder.path / name))

    def _parent(self, job: JobSpec) -> str:
        group = f"{self._study} | {_group(job)}"
        for run in self._find(_GROUP_TAG, group):
            return str(run.info.run_id)
        run = self._create(group, {_GROUP_TAG: group, "histobench.study": self._study}, None)
        self._client.log_batch(
            run.info.run_id, params=_params(job, only=("method", "encoder", "mode", "dataset", "target", "scheme"))
        )
        self._client.set_terminated(run.info.run_id, "FINISHED")
        return str(run.info.run_id)

    def _find(self, tag: str, value: str) -> list[Run]:
        quoted = value.replace("'", "\\'")
        return list(self._client.search_runs([self._experiment], filter_string=f"tags.`{tag}` = '{quoted}'"))

    def _create(self, name: str, tags: Mapping[str, str], started: str | None) -> Run:
        start = None if started is None else _milliseconds(started)
        return self._client.create_run(self._experiment, start_time=start, tags=dict(tags), run_name=name)


def _group(job: JobSpec) -> str:
    encoder = f" on {job.encoder} ({job.mode})" if job.encoder else ""
    return f"{job.method}{encoder} | {job.dataset} {job.target} | {job.scheme}"


def _params(job: JobSpec, *, only: tuple[str, ...] | None = None) -> list[Param]:
    values = job.model_dump(mode="json", exclude={"options", "patients", "versions"})
    values |= {f"option.{name}": value for name, value in job.options.items()}
    chosen = {name: value for name, value in values.items() if only is None or name in only}
    return [Param(name, str(value)[:_PARAM_LENGTH]) for name, value in chosen.items()]


def _metrics(record: RunRecord) -> list[Metric]:
    finished = _milliseconds(record.finished)
    metrics = [
        Metric(name, value, finished, step)
        for step, epoch in enumerate(record.epochs)
        for name, value in epoch.items()
        if value is not None
    ]
    for name, scores in record.scores.items():
        key = name.replace("[", ":").replace("]", "")  # MLflow accepts no brackets
        by_slide = slide_scores(scores)
        score = nan_mean(unit_scores([(record, by_slide)], "patients").values())
        found = {f"score.{key}": score, f"pooled.{key}": scores.overall(scores.pooled)}
        found |= {f"score.{key}.{slide}": value for slide, value in by_slide.items()}
        metrics += [Metric(name, value, finished, 0) for name, value in found.items() if np.isfinite(value)]
        metrics.append(Metric(f"undefined.{key}", float(scores.undefined), finished, 0))
    metrics += [Metric(f"seconds.{phase}", value, finished, 0) for phase, value in record.seconds.items()]
    return metrics


def _milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)
