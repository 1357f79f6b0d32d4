"""Built-in datasets, and ``histobench prepare``, which makes patches and counts from Visium and Visium HD."""

from collections.abc import Iterable

import click

from histobench import DatasetCard, hookimpl
from histobench_datasets.catalogue import DATASETS
from histobench_datasets.visium.cli import prepare

__all__ = ["register_commands", "register_datasets"]


@hookimpl
def register_datasets() -> Iterable[DatasetCard]:
    """Return the cards of the built-in datasets."""
    return DATASETS


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Add ``histobench prepare``."""
    cli.add_command(prepare)
