"""``histobench data``: list, download and verify datasets."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from histobench.cli.names import DATA_ROOT, PluginNames

if TYPE_CHECKING:
    from histobench.cli import App

__all__ = ["data"]


@click.group()
def data() -> None:
    """List, download and verify datasets."""


@data.command("list")
@DATA_ROOT
@click.pass_obj
def list_data(app: "App", data_root: Path | None) -> None:
    """List all datasets, and how many of their slides are on this machine."""
    from histobench.errors import explain

    rows = []
    for card in app.registry.datasets:
        try:
            dataset = card.build(data_root)
            target = card.targets[0].name
            here, absent = len(dataset.slides(target)), len(dataset.left_out(target))
            state = f"{here} of {here + absent} slides"
        except Exception as error:  # noqa: BLE001 -- third-party code may raise anything
            state = explain(error)
        rows.append([card.name, "generated" if card.generated else "files", state])
    app.output.table(rows, ["dataset", "source", "here"])


@data.command()
@click.argument("dataset", type=PluginNames("datasets"))
@DATA_ROOT
@click.pass_obj
def download(app: "App", dataset: str, data_root: Path | None) -> None:
    """Download the missing files of a dataset from its publisher."""
    from histobench.errors import ConfigError

    card = app.registry.datasets.get(dataset)
    if card.download is None:
        raise ConfigError(f"dataset {dataset!r} " + ("needs no files." if card.generated else "cannot be downloaded."))
    card.download(data_root)
    app.output.result(f"{dataset} is complete.")


@data.command()
@click.argument("dataset", type=PluginNames("datasets"))
@DATA_ROOT
@click.pass_obj
def check(app: "App", dataset: str, data_root: Path | None) -> None:
    """Verify the files of a dataset; exit code 1 if one is missing or altered."""
    from histobench.errors import ConfigError

    card = app.registry.datasets.get(dataset)
    if card.check is None:
        raise ConfigError(f"dataset {dataset!r} " + ("needs no files." if card.generated else "cannot be verified."))
    wrong = card.check(data_root)
    for path, what in wrong.items():
        app.output.result(f"{path}: {what}")
    app.output.result(f"{len(wrong)} files are missing or altered." if wrong else "all files are here and unaltered.")
    sys.exit(1 if wrong else 0)
