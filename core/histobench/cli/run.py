"""``histobench run`` and ``histobench plan``."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from histobench.cli.names import NAMED_WEIGHTS, PluginNames, settings

if TYPE_CHECKING:
    from histobench.cli import App
    from histobench.reports.mlflow import MlflowTracker
    from histobench.results.records import JobSpec
    from histobench.study.config import RunConfig
    from histobench.study.grid import Planned
    from histobench.study.queue import Outcome
    from histobench.study.workspace import Workspace

__all__ = ["execute", "list_gpus", "plan", "prepare", "run", "settle_device"]

CommandT = TypeVar("CommandT", bound=Callable[..., None])

_OPTIONS = (
    click.option("--methods", type=PluginNames("methods"), help="Comma-separated; or 'all'. [all]"),
    click.option("--datasets", type=PluginNames("datasets"), help="Comma-separated. [synthetic]"),
    click.option("--encoders", type=PluginNames("encoders"), help="NAME or NAME@frozen|lora|full. [each method's own]"),
    NAMED_WEIGHTS,
    click.option("--targets", help="KIND or KIND:VARIANT, such as cell_abundance:major. [the dataset's first]"),
    click.option("--scheme", help="Split scheme. [the dataset's first]"),
    click.option("--folds", help="Comma-separated, such as her2st:B; an unknown fold lists all. [all]"),
    click.option("--seeds", help="Comma-separated. [0]"),
    click.option("--metrics", type=PluginNames("metrics"), help="Comma-separated. [all]"),
    click.option("--epochs", type=int, help="Number of epochs of every method."),
    click.option("--set", "set", multiple=True, callback=settings, metavar="NAME.OPTION=VALUE", help="Repeatable."),
    click.option("--preset", help="published, or quick for a first try. [published]"),
    click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the dataset's files."),
    click.option("--out", type=click.Path(path_type=Path), help="Output folder. [histobench-out]"),
    click.option("--workers", type=int, help="Worker processes, each with its own GPU if there are several. [1]"),
    click.option("--device", help="auto, cpu, cuda or cuda:N. [auto]"),
    click.option("--precision", help="32-true or bf16-mixed. [32-true]"),
    click.option("--embed-precision", help="fp32, fp16 or bf16, for frozen encoders. [GPU: the encoder's; CPU: fp32]"),
    click.option(
        "--allow-upsampling", is_flag=True, default=None, help="Enlarge slides that are coarser than an encoder needs."
    ),
    click.option(
        "--gradient-checkpointing", is_flag=True, default=None, help="Train encoders with less memory, in more time."
    ),
    click.option(
        "--judge", metavar="ENCODER", help="Encoder whose features judge generated patches. [first available]"
    ),
    click.option("--threads", type=int, help="CPU threads per job. [cores / workers]"),
    click.option("--tracking/--no-tracking", default=None, help="Log to MLflow. [on]"),
    click.option("--config", "file", type=click.Path(path_type=Path), help="YAML file with the same settings."),
)


def _study_options(command: CommandT) -> CommandT:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@_study_options
@click.pass_obj
def run(app: "App", /, file: Path | None, **given: Any) -> None:  # Any: values of many options
    """Train and score methods on datasets, together with controls.

    Run the same command again to resume.
    """
    from histobench.results.records import job_id
    from histobench.results.store import Store

    config, workspace, planned = prepare(app, file, given)
    Store(config.out)  # report an unusable folder before training
    jobs = {job_id(spec): spec for spec in planned.jobs}
    failures = execute(app, config, workspace, jobs)
    _report(app, workspace, set(jobs))
    if failures:
        app.output.warn(f"{failures} of {len(jobs)} jobs failed; run the same command to try them again.")
    if planned.damaged:
        damaged = "; ".join(f"{item.dataset}, {item.what}" for item in planned.damaged)
        app.output.error(f"left out because damaged: {damaged}.")
        sys.exit(2)
    sys.exit(1 if failures else 0)


@click.command()
@_study_options
@click.option("--probe/--no-probe", default=True, help="Estimate the time from a short training on a few spots.")
@click.pass_obj
def plan(app: "App", /, file: Path | None, probe: bool, **given: Any) -> None:  # Any: values of many options
    """Show what `run` would do, and how long it may take.

    Lists the jobs, and what is left out and why.
    """
    config, workspace, planned = prepare(app, file, given)
    groups: dict[tuple[str, ...], list[JobSpec]] = {}
    for spec in planned.jobs:
        key: tuple[str, ...] = (
            spec.method,
            spec.encoder or "-",
            spec.mode or "-",
            spec.dataset,
            spec.target,
            spec.scheme,
        )
        groups.setdefault(key, []).append(spec)
    rows, total = [], 0.0
    for key, specs in groups.items():
        seconds = _estimate(app, specs, workspace) if probe else None
        total += seconds or 0.0
        rows.append([*key, str(len(specs)), "?" if seconds is None else _duration(seconds)])
    header = ["method", "encoder", "mode", "dataset", "target", "scheme", "jobs", "time"]
    app.output.table(rows, header, title=f"{len(planned.jobs)} jobs into {config.out}")
    if probe:
        app.output.result(f"about {_duration(total / config.workers)} in total, estimated on a few spots")
    sys.exit(2 if planned.damaged else 0)


def prepare(app: "App", file: Path | None, given: Mapping[str, Any]) -> "tuple[RunConfig, Workspace, Planned]":
    """Plan a study from a YAML file and given settings, and print what is left out."""
    import os

    from histobench.study.config import RunConfig
    from histobench.study.jobs import Machine
    from histobench.study.planning import plan_study
    from histobench.study.workspace import Workspace, now

    config = RunConfig.read(file, {name: value for name, value in given.items() if value != {}})
    for broken in app.registry.broken:
        app.output.warn(f"plugin {broken.name!r} is left out: {broken.cause}")
    threads = config.threads or max(1, (os.cpu_count() or 1) // config.workers)
    planned = plan_study(
        config, app.registry, Machine(device=settle_device(config.device, config.workers), threads=threads)
    )
    for sentence in planned.notices:
        app.output.warn(sentence)
    for reason in planned.reasons():
        app.output.warn(f"left out: {reason}")
    metrics = tuple(card.name for card in planned.metrics)
    workspace = Workspace(
        out=config.out, registry=app.registry, metrics=metrics, data_root=config.data_root, since=now()
    )
    return config, workspace, planned


def execute(app: "App", config: "RunConfig", workspace: "Workspace", jobs: "dict[str, JobSpec]") -> int:
    """Run the jobs and count those that failed."""
    from dataclasses import replace

    from histobench.results.store import Store
    from histobench.study.executors import LocalProcesses
    from histobench.study.queue import run_study

    store, tracker = Store(config.out), _tracker(app, config)
    failures = 0
    with app.output.progress(len(jobs)) as bar:

        def epoch(spec: "JobSpec", number: int, numbers: Mapping[str, float]) -> None:
            bar.say(f"{spec.method}, fold {spec.fold}, epoch {number}")
            told = " ".join(f"{name}={value:.4g}" for name, value in numbers.items())
            app.output.note(f"{spec.method}, fold {spec.fold}, epoch {number}: {told}")

        executor = LocalProcesses(config.workers, gpus=list_gpus()) if config.workers > 1 else None
        here = replace(workspace, progress=epoch) if config.workers == 1 else workspace
        # after Ctrl-C tracking is not waited for: the next run logs what is missing
        for outcome in run_study(jobs, here, executor):
            failures += _tell(app, outcome)
            if tracker is not None and outcome.record is not None:
                tracker.log(outcome.record, store.folder(outcome.job_id))
            bar.step()
    complaint = tracker.close() if tracker is not None else None
    if complaint:
        app.output.warn(complaint)
    return failures


def _tell(app: "App", outcome: "Outcome") -> int:
    record, spec = outcome.record, outcome.spec
    encoder = f" on {spec.encoder}" if spec.encoder else ""
    name = f"{spec.method}{encoder}, {spec.dataset} {spec.target}, fold {spec.fold}, seed {spec.seed}"
    if record is None:
        return 0
    if record.status == "failed":
        app.output.warn(f"failed: {name}: {record.error}")
        return 1
    if outcome.done_now:
        app.output.line(f"done: {name} in {_duration(sum(record.seconds.values()))} (job {outcome.job_id})")
    else:
        app.output.note(f"done before: {name}")
    return 0


def _report(app: "App", workspace: "Workspace", job_ids: set[str]) -> None:
    from histobench.cli.results import print_boards, read_records
    from histobench.results.store import Store

    records = [record for record in read_records(app, Store(workspace.out)) if record.job_id in job_ids]
    print_boards(app, records, metric=None)
    app.output.result(f"records: {workspace.out / 'jobs'}")
    if (workspace.out / "mlflow.db").exists():
        app.output.result(
            f"MLflow store: {workspace.out / 'mlflow.db'} (open it with `histobench mlflow --out {workspace.out}`)"
        )


def _tracker(app: "App", config: "RunConfig") -> "MlflowTracker | None":
    """Return the tracker, or ``None`` if it is switched off or MLflow is not installed."""
    if not config.tracking:
        return None
    try:
        from histobench.reports.mlflow import MlflowTracker
    except ImportError as error:
        app.output.warn(f"nothing is logged to MLflow: {error}; the records are complete.")
        return None
    return MlflowTracker(config.out)


def settle_device(asked: str, workers: int) -> str:
    """Resolve ``auto``; refuse a device that does not exist."""
    from histobench.errors import ConfigError

    kind, _, index = asked.partition(":")
    if index and kind == "cpu":
        raise ConfigError(f"--device {asked}: remove the number.")
    if index and workers > 1:
        raise ConfigError(f"--device {asked} names one device; remove its number, or run one worker.")
    if kind not in ("auto", "cpu", "cuda") or (index and not index.isdigit()):
        raise ConfigError(f"--device must be auto, cpu, cuda or cuda:N, got {asked!r}.")
    gpus = list_gpus()
    if kind == "auto":
        return "cuda" if gpus else "cpu"
    if kind == "cuda" and (not gpus or (index and int(index) >= len(gpus))):
        raise ConfigError(f"--device {asked}: this machine has {len(gpus)} CUDA devices.")
    return asked


def list_gpus() -> tuple[str, ...]:
    """List the CUDA devices without importing torch where there is no driver."""
    import os
    import shutil
    import subprocess

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(part for part in visible.split(",") if part and part != "-1")
    if shutil.which("nvidia-smi") is None:
        return ()
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=30)  # noqa: S607
    return tuple(str(number) for number, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU "))


def _estimate(app: "App", specs: "list[JobSpec]", workspace: "Workspace") -> float | None:
    from histobench.errors import explain
    from histobench.study.estimates import estimate_seconds

    try:
        return estimate_seconds(specs[0], workspace) * len(specs)
    except Exception as error:  # noqa: BLE001 -- third-party code may raise anything
        app.output.warn(f"no estimate for {specs[0].method}: {explain(error)}")
        return None


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"
