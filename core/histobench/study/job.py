"""Run one job: fit, save, predict, score, record, in that order; what is already on disk is not done again.

Any error inside a job ends in a record of its failure. Only the user, or an output folder that cannot be written to,
stops more than the job.
"""

import io
import json
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field

import numpy as np

from histobench.contracts.cards import MetricCard
from histobench.contracts.options import options_from_json
from histobench.contracts.protocols import FitContext, Method
from histobench.contracts.tasks import TASKS
from histobench.data import SlideResult
from histobench.data.panels import Panel
from histobench.errors import StoreError, explain
from histobench.files import write_atomically
from histobench.results.evaluation import score
from histobench.results.provenance import Watch, determinism, git_commit, limit_threads, machine, versions
from histobench.results.records import JobSpec, PanelRecord, RunRecord
from histobench.results.store import JobFolder, Store, read_predictions, read_training, write_predictions
from histobench.study.checkpoint_evaluation import load_checkpoint
from histobench.study.samples import Assembler, fit_context, open_assembler
from histobench.study.tasks import open_reading, task_module, training_samples
from histobench.study.tasks.generate import view_real_patches
from histobench.study.workspace import Workspace, now

__all__ = ["failure", "rescore", "run_job"]


def run_job(job_id: str, spec: JobSpec, workspace: Workspace) -> RunRecord:
    """Run one job and return its record, of success or of failure.

    Raises
    ------
    StoreError
        If its folder cannot be written to.
    """
    folder = Store(workspace.out).folder(job_id)
    folder.begin(spec)
    folder.log("started")
    started = now()
    try:
        with Watch() as watch, limit_threads(spec.threads), _printing_into(folder):
            record = _Job(job_id, spec, folder, workspace, watch).run(started)
    except StoreError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- whatever a plugin raises costs only its job
        folder.log(traceback.format_exc())
        record = failure(job_id, spec, started=started, error=explain(error), watch=watch)
    folder.finish(record)
    folder.log(record.status if record.error is None else f"failed: {record.error}")
    return record


def rescore(record: RunRecord, folder: JobFolder, metrics: Iterable[MetricCard]) -> RunRecord:
    """Score a finished job with the metrics that its record lacks, or has in another revision; nothing is trained."""
    cards = [card for card in metrics if record.lacks(card)]
    if record.status != "done" or not cards:
        return record
    evaluation = score(read_predictions(folder.predictions), cards, read_training(folder.predictions))
    record = evaluation.added_to(record)
    folder.finish(record)
    return record


@dataclass(slots=True)
class _Job:
    """The phases of one job."""

    job_id: str
    spec: JobSpec
    folder: JobFolder
    workspace: Workspace
    watch: Watch
    epochs: list[dict[str, float]] = field(default_factory=list)

    def run(self, started: str) -> RunRecord:
        card = self.workspace.registry.methods.get(self.spec.method)
        options = options_from_json(card, self.spec.options)
        with self.watch.phase("read"):
            assembler = open_assembler(self.spec, self.workspace.registry, self.workspace.data_root)
        method, n_train = self._fit(lambda: card.build(options), assembler)
        results = self._predict(method, assembler)
        training = assembler.training if TASKS[self.spec.kind].has_targets else None
        write_predictions(self.folder.predictions, results, training)
        with self.watch.phase("score"):
            evaluation = score(results, self.workspace.metric_cards(), training)
        n_test = sum(len(result.spot_ids) for result in results)
        return RunRecord(
            job_id=self.job_id,
            job=self.spec,
            status="done",
            targets=assembler.panel.names,
            n_spots={result.slide_id: len(result.spot_ids) for result in results},
            n_train_spots=n_train,
            panel=_panel_record(assembler.panel),
            beside_panels={name: _panel_record(side.panel) for name, side in assembler.side_targets.items()},
            scores=evaluation.scores,
            beside=evaluation.beside,
            passed_over=evaluation.passed_over,
            best_epoch=_best_epoch(self.epochs),
            epochs=tuple(dict(epoch) for epoch in self.epochs),
            seconds=self.watch.seconds,
            peak_memory_mb=self.watch.peak_memory_mb(),
            predict_spots_per_second=n_test / max(self.watch.seconds["predict"], 1e-9),
            warnings=(*self.watch.warnings, *evaluation.warnings),
            determinism=determinism(self.spec.device, self.spec.threads),
            versions=versions(),
            git_commit=git_commit(),
            machine=machine(self.spec.device),
            started=started,
            finished=now(),
        )

    def _fit(self, build: Callable[[], Method], assembler: Assembler) -> tuple[Method, int]:
        """Fit and save, or load what a killed attempt has saved; return also the number of training spots."""
        method = build()
        marker = self.folder.checkpoint / "fitted.json"
        context = fit_context(self.spec, assembler, resume=self.folder.resume, report=self._report)
        if self.spec.checkpoint:
            return self._published(method, context), 0
        if marker.exists():
            try:
                fitted = json.loads(marker.read_text())
                method.load(self.folder.checkpoint, context)
                self.epochs += fitted["epochs"]
                self.watch.seconds.update(fitted["seconds"])
                return method, int(fitted["n_train_spots"])
            except Exception as error:  # noqa: BLE001 -- a method that cannot be read is fitted again
                self.folder.log(f"the saved method cannot be read, and is fitted again: {explain(error)}")
                self.folder.forget_fit()
                method = build()
        with self.watch.phase("embed"):
            train = training_samples(assembler, self.spec.train)
            val = training_samples(assembler, self.spec.val) if self.spec.val else None
        with self.watch.phase("fit"):
            method.fit(train, val, context)
        self.folder.checkpoint.mkdir(exist_ok=True)
        method.save(self.folder.checkpoint)
        fitted = {"epochs": self.epochs, "seconds": self.watch.seconds, "n_train_spots": len(train)}
        write_atomically(marker, json.dumps(fitted).encode())
        return method, len(train)

    def _published(self, method: Method, context: FitContext) -> Method:
        """Load published weights instead of fitting, and note this in the record."""
        with self.watch.phase("read"):
            self.watch.warnings.append(load_checkpoint(method, self.spec, context))
        self.watch.seconds["fit"] = 0.0
        return method

    def _report(self, epoch: int, numbers: Mapping[str, float]) -> None:
        plain = {name: float(value) for name, value in numbers.items()}
        self.epochs.append(plain)
        shown = " ".join(f"{name}={value:.6g}" for name, value in plain.items())
        self.folder.log(f"epoch {epoch} {shown}")
        if self.workspace.progress is not None:
            self.workspace.progress(self.spec, epoch, plain)

    def _predict(self, method: Method, assembler: Assembler) -> list[SlideResult]:
        slides, task = assembler.slides(), task_module(self.spec.kind)
        reading_phase = "judge" if self.spec.judge else "read"
        with self.watch.phase(reading_phase):
            reading = open_reading(self.spec, assembler, self.watch.warnings.append)
        results = []
        for name in self.spec.test:
            with self.watch.phase("embed"):
                given = task.make_samples(assembler, slides[name])
                shown = given.shown()
            with self.watch.phase("predict"):
                answer = task.ask(method, shown)
            with self.watch.phase(reading_phase):
                results.append(task.read(answer, given, reading))
        with self.watch.phase(reading_phase):
            return view_real_patches(method, results, assembler)


@contextmanager
def _printing_into(folder: JobFolder) -> Iterator[None]:
    """Write what a plugin prints to the job's log, because standard output is for results."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            yield
    finally:
        if not printed.closed and printed.getvalue():
            folder.log(printed.getvalue())


def _panel_record(panel: Panel) -> PanelRecord:
    return PanelRecord(hash=panel.hash, unit=panel.unit, fitted_on=panel.fitted_on)


def _best_epoch(epochs: Sequence[Mapping[str, float]]) -> int | None:
    """Return the epoch that was selected on validation slides; ``None`` if there were none."""
    scores = [epoch.get("val_score", np.nan) for epoch in epochs]
    return int(np.nanargmax(scores)) if np.isfinite(scores).any() else None


def failure(job_id: str, spec: JobSpec, *, started: str, error: str, watch: Watch | None = None) -> RunRecord:
    """Make the record of a failed job."""
    return RunRecord(
        job_id=job_id,
        job=spec,
        status="failed",
        error=error,
        warnings=tuple(watch.warnings) if watch else (),
        seconds=watch.seconds if watch else {},
        versions=versions(),
        git_commit=git_commit(),
        machine=machine(spec.device),
        started=started,
        finished=now(),
    )
