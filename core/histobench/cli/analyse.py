"""``histobench analyse``: figures and tables in addition to the standings."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from histobench.cli.names import DATA_ROOT, STUDY, PluginNames

if TYPE_CHECKING:
    from collections.abc import Collection

    from histobench.cli import App
    from histobench.reports.analyses import Cell
    from histobench.results.records import RunRecord
    from histobench.results.store import Store

__all__ = ["analyse"]

_ROWS_SHOWN = 40


@click.command()
@click.argument("folder", metavar="[STUDY]", required=False, type=click.Path(path_type=Path))
@STUDY
@click.option("--what", default="all", help="Comma-separated analyses; 'list' prints their names. [all]")
@click.option("--methods", type=PluginNames("methods"), help="Only these. [all of the study]")
@click.option("--metric", type=PluginNames("metrics"), help="Metric to use. [the main metric of each task]")
@DATA_ROOT
@click.pass_obj
def analyse(
    app: "App",
    folder: Path | None,
    study: Path,
    what: str,
    methods: str | None,
    metric: str | None,
    data_root: Path | None,
) -> None:
    """Write figures and tables of a finished study.

    PNG, SVG and CSV files go into STUDY/analyses.
    """
    from histobench.cli.results import read_records
    from histobench.errors import HistobenchError
    from histobench.reports.analyses import ANALYSES, StudyResults, write_findings
    from histobench.results.store import Store

    if what == "list":
        app.output.result("\n".join(ANALYSES))
        return
    names = _names(what, ANALYSES)
    study = folder or study
    store = Store(study, write=False)
    records = _readable(app, store, _chosen(read_records(app, store), methods))
    results = StudyResults(store=store, registry=app.registry, records=records, data_root=data_root, metric=metric)
    failed = 0
    for name in names:
        try:
            findings = ANALYSES[name](results)
        except HistobenchError as error:
            if len(names) == 1:
                raise
            failed += 1
            app.output.warn(f"{name}: {error}")
            continue
        for table, rows in findings.tables.items():
            _print(app, table, [dict(row) for row in rows])
        for note in findings.notes:
            app.output.warn(note)
        for path in write_findings(findings, study / "analyses"):
            app.output.result(f"wrote {path}")
    sys.exit(1 if failed == len(names) else 0)


def _names(what: str, known: "Collection[str]") -> list[str]:
    """Return the names of the requested analyses."""
    from histobench.errors import did_you_mean

    names = list(known) if what == "all" else [name.strip() for name in what.split(",")]
    for name in names:
        if name not in known:
            raise did_you_mean("analysis", name, known)
    return names


def _chosen(records: "list[RunRecord]", methods: str | None) -> "tuple[RunRecord, ...]":
    from histobench.errors import ConfigError, did_you_mean

    if not records:
        raise ConfigError("this study has no finished job to analyse.")
    if methods is None:
        return tuple(records)
    known = {record.job.method for record in records}
    wanted = [name.strip() for name in methods.split(",")]
    for name in wanted:
        if name not in known:
            raise did_you_mean("method in this study", name, known)
    return tuple(record for record in records if record.job.method in wanted)


def _readable(app: "App", store: "Store", records: "tuple[RunRecord, ...]") -> "tuple[RunRecord, ...]":
    """Return the records with readable predictions, and warn of the others."""
    from histobench.errors import DataError
    from histobench.results.store import read_predictions

    kept = []
    for record in records:
        try:
            if record.status == "done":
                read_predictions(store.folder(record.job_id).predictions)
        except DataError as error:
            app.output.warn(f"job {record.job_id} ({record.job.method}) is left out: {error}")
            continue
        kept.append(record)
    return tuple(kept)


def _print(app: "App", title: str, rows: "list[dict[str, Cell]]") -> None:
    if not rows:
        return
    columns = list(rows[0])
    app.output.table([[_text(row.get(name)) for name in columns] for row in rows[:_ROWS_SHOWN]], columns, title=title)
    if len(rows) > _ROWS_SHOWN:
        app.output.result(f"… and {len(rows) - _ROWS_SHOWN} more rows in the CSV file.")


def _text(value: "Cell") -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if value == value else "undefined"
    return "-" if value is None else str(value)
