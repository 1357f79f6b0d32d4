"""``histobench doctor`` and ``histobench mlflow``."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from histobench.cli.names import DATA_ROOT, STUDY

if TYPE_CHECKING:
    from histobench.cli import App

__all__ = ["doctor", "mlflow"]

GIB = 2**30


@click.command()
@DATA_ROOT
@click.pass_obj
def doctor(app: "App", data_root: Path | None) -> None:
    """Check the installation: versions, device, plugins, weights, data, disk."""
    from histobench.cache import Cache
    from histobench.results.provenance import versions

    rows = [["version", name, found] for name, found in versions().items()]
    rows += [["device", *_device()]]
    rows += [["plugin", plugin.name, plugin.version] for plugin in app.registry.plugins]
    rows += [["plugin", broken.name, f"BROKEN: {broken.cause}"] for broken in app.registry.broken]
    rows += _weights(app)
    rows += _data(app, data_root)
    cache = Cache().root
    free = shutil.disk_usage(next(parent for parent in (cache, *cache.parents) if parent.exists())).free
    rows += [["disk", str(cache), f"{free / GIB:.1f} GiB free"]]
    app.output.table(rows, ["what", "name", "state"])
    sys.exit(1 if app.registry.broken else 0)


@click.command()
@STUDY
@click.option("--port", type=int, default=5000, show_default=True, help="Port of the MLflow server.")
@click.option("--sync-only", is_flag=True, help="Log missing records only, without starting MLflow.")
@click.pass_obj
def mlflow(app: "App", study: Path, port: int, sync_only: bool) -> None:
    """Log missing records of a study to MLflow, and start its server."""
    import os
    import subprocess

    from histobench.cli.results import read_records
    from histobench.reports.mlflow import MlflowTracker, tracking_uri
    from histobench.results.store import Store

    store = Store(study, write=False)
    tracker = MlflowTracker(study)
    for record in read_records(app, store):
        tracker.log(record, store.folder(record.job_id))
    complaint = tracker.close()
    if complaint:
        app.output.warn(complaint)
    uri = tracking_uri(study)
    if sync_only or not uri.startswith("sqlite:"):
        app.output.result(f"MLflow store: {uri}")
        sys.exit(1 if complaint else 0)
    app.output.line(f"MLflow on http://127.0.0.1:{port} over {uri}; Ctrl-C ends it")
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--port", str(port)]
    sys.exit(subprocess.run(command, check=False, env=os.environ).returncode)  # noqa: S603 -- our own arguments


def _device() -> tuple[str, str]:
    import torch

    if torch.cuda.is_available():
        return "cuda", ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    return "cpu", f"{torch.get_num_threads()} threads; no CUDA device"


def _weights(app: "App") -> list[list[str]]:
    """Return a row about the weights of each encoder; works offline."""
    from histobench.errors import WeightsError
    from histobench.weights.locate import how_to_get, locate_weights

    rows = []
    for card in app.registry.encoders:
        if card.weights is None:
            continue
        try:
            located = locate_weights(card.name, card.weights)
        except WeightsError as error:
            rows.append(["weights", card.name, f"not here: {error}"])
        else:
            absent = f"not here. {how_to_get(card.name, card.weights)}"
            rows.append(["weights", card.name, absent if located is None else str(located.path)])
    return rows


def _data(app: "App", data_root: Path | None) -> list[list[str]]:
    from histobench.errors import explain

    rows = []
    for card in app.registry.datasets:
        try:
            rows.append(["data", card.name, f"{len(card.build(data_root).slides(card.targets[0].name))} slides"])
        except Exception as error:  # noqa: BLE001 -- third-party code may raise anything
            rows.append(["data", card.name, explain(error)])
    return rows
