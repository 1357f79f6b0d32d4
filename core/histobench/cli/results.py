"""``histobench results`` and ``histobench score``."""

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from histobench.cli.names import PluginNames

if TYPE_CHECKING:
    from histobench.cli import App
    from histobench.records import RunRecord

__all__ = ["print_boards", "results", "score"]

_OUT = click.option("--out", type=click.Path(path_type=Path), default=Path("histobench-out"), help="Output folder.")


@click.command()
@_OUT
@click.option("--metric", type=PluginNames("metrics"), help="Metric to rank by. [the task's own]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.pass_obj
def results(app: "App", out: Path, metric: str | None, as_json: bool, as_csv: bool) -> None:
    """Show the standings of a study: scores per method with intervals and controls."""
    from histobench.statistics import rows
    from histobench.store import Store

    records = list(Store(out, write=False).records())
    if not (as_json or as_csv):
        print_boards(app, records, metric=metric)
        return
    flat = [row for board in _boards(records, metric) for row in rows(board)]
    if as_json:
        app.output.result(json.dumps(flat, indent=1))
    elif flat:
        writer = csv.DictWriter(sys.stdout, fieldnames=list(flat[0]))
        writer.writeheader()
        writer.writerows(flat)


@click.command()
@_OUT
@click.option("--metrics", type=PluginNames("metrics"), help="Comma-separated. [all]")
@click.pass_obj
def score(app: "App", out: Path, metrics: str | None) -> None:
    """Score stored predictions with metrics that their records lack; nothing is trained."""
    from histobench.runner import rescore
    from histobench.store import Store

    names = metrics.split(",") if metrics else app.registry.metrics.names()
    for name in names:
        app.registry.metrics.get(name)
    store = Store(out)
    changed = 0
    for record in store.records():
        folder = store.folder(record.job_id)
        with folder.claim() as ours:
            if ours:
                changed += rescore(record, folder, names) is not record
            else:
                app.output.warn(f"job {record.job_id} is being worked on, and is left alone.")
    app.output.result(f"{changed} records were scored with new metrics.")


def print_boards(app: "App", records: "Sequence[RunRecord]", *, metric: str | None) -> None:
    """Print one table for each dataset, target and scheme."""
    raise NotImplementedError


def _boards(records: "Sequence[RunRecord]", metric: str | None) -> list:
    raise NotImplementedError
