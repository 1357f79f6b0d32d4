"""``histobench reproduce``: published numbers, and the same configurations run here."""

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from histobench.cli.names import DATA_ROOT, PluginNames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from histobench.cli import App
    from histobench.contracts.cards import MethodCard
    from histobench.contracts.published import Reproduction
    from histobench.study.grid import Planned

__all__ = ["RECORD_HEADER", "record_cells", "reproduce"]

RECORD_HEADER = ("dataset", "target", "scheme", "score", "paper", "panel", "encoder", "source")
"""The columns of a table of published numbers."""


@click.command()
@click.argument("method", type=PluginNames("methods"))
@click.argument("dataset", required=False)
@DATA_ROOT
@click.option("--out", type=click.Path(path_type=Path), default=Path("histobench-reproduce"), help="Output folder.")
@click.option("--workers", type=int, help="Worker processes. [1]")
@click.option("--device", help="auto, cpu, cuda or cuda:N. [auto]")
@click.pass_obj
def reproduce(
    app: "App",
    method: str,
    dataset: str | None,
    data_root: Path | None,
    out: Path,
    workers: int | None,
    device: str | None,
) -> None:
    """List METHOD's published numbers; with DATASET, run their configurations and compare.

    Exit code 0 if every number is within its tolerance, 1 if one is not, 2 if something is missing.
    """
    card = app.registry.methods.get(method)
    records = [record for record in card.reproductions if dataset in (None, record.dataset)]
    if not records:
        raise _nothing(card, dataset)
    if dataset is None:
        app.output.table([record_cells(record) for record in records], RECORD_HEADER)
        return
    _refuse_if_missing(app, card, records, data_root)
    given = {"data_root": data_root, "out": out, "workers": workers, "device": device}
    within = [_run(app, card, record, given) for record in records]
    sys.exit(0 if all(within) else 1)


def record_cells(record: "Reproduction") -> list[str]:
    """Format a published number as a row under `RECORD_HEADER`."""
    scheme = f"{record.scheme}: {', '.join(record.folds)}" if record.folds else record.scheme
    return [
        *(record.dataset, record.target, scheme, f"{record.metric} {record.view}"),
        f"{record.value:g} ± {record.tolerance:g}",
        *(record.panel, record.encoder or "-", record.source),
    ]


def _nothing(card: "MethodCard", dataset: str | None) -> Exception:
    from histobench.errors import ConfigError, did_you_mean

    if dataset is None or not card.reproductions:
        return ConfigError(f"method {card.name!r} has no published numbers.")
    return did_you_mean(
        f"dataset with published numbers of {card.name!r}", dataset, {r.dataset for r in card.reproductions}
    )


def _refuse_if_missing(app: "App", card: "MethodCard", records: "list[Reproduction]", data_root: Path | None) -> None:
    from histobench.study.reproduction import missing

    lacking = dict.fromkeys(what for record in records for what in missing(card, record, app.registry, data_root))
    if not lacking:
        return
    for record in records:
        app.output.line(f"{card.name} on {record.dataset}: paper {record.value:g}, {record.metric} {record.view}.")
    app.output.error(
        f"{card.name} cannot be reproduced on {records[0].dataset} here; {len(lacking)} things are missing:"
    )
    for what in lacking:
        app.output.error(f"- {what}.")
    sys.exit(2)


def _run(app: "App", card: "MethodCard", record: "Reproduction", given: "Mapping[str, object]") -> bool:
    """Run one configuration unless it is done; return whether its number is within the tolerance."""
    from histobench.cli.run import execute, prepare
    from histobench.results.records import job_id
    from histobench.results.store import Store
    from histobench.study.reproduction import encoder_asked, reproduced

    encoder = encoder_asked(card, record)
    study = {
        "methods": (card.name,),
        "datasets": (record.dataset,),
        "targets": (record.target,),
        "scheme": record.scheme,
        "folds": record.folds,
        "metrics": (record.metric,),
        "encoders": (encoder,) if encoder else (),
        "set": {f"{card.name}.{option}": value for option, value in record.settings.items()},
        "tracking": False,
    }
    config, workspace, planned = prepare(app, None, {**study, **given})
    jobs = {job_id(spec): spec for spec in planned.jobs}
    execute(app, config, workspace, jobs)
    store = Store(config.out)
    done = [store.folder(name).record() for name, spec in jobs.items() if spec.method == card.name]
    scored = [found for found in done if found is not None and record.metric in found.scores]
    value = reproduced(scored, record.metric, record.view)
    within = len(scored) == len(done) and abs(value - record.value) <= record.tolerance
    _tell(app, card, record, value=value, within=within)
    _tell_differences(app, record, planned, failed=len(done) - len(scored))
    return within


def _tell(app: "App", card: "MethodCard", record: "Reproduction", *, value: float, within: bool) -> None:
    here = "undefined" if math.isnan(value) else f"{value:.4f}, gap {value - record.value:+.4f}"
    verdict = "within" if within else "not within"
    app.output.result(
        f"{card.name} on {record.dataset}, {record.metric} {record.view}: paper {record.value:g} ({record.source}), "
        f"here {here}: {verdict} {record.tolerance:g}"
    )


def _tell_differences(app: "App", record: "Reproduction", planned: "Planned", *, failed: int) -> None:
    if failed:
        app.output.result(f"  {failed} folds failed; run the same command to try them again")
    for sentence in (record.note, *planned.notices, *planned.reasons()):
        if sentence:
            app.output.result(f"  remains different: {sentence.rstrip('.')}")
