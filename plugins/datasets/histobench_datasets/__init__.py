"""Built-in datasets, and ``histobench prepare``, which makes patches and counts from Visium and Visium HD."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from histobench import hookimpl, lazy_value

if TYPE_CHECKING:
    from histobench import DatasetCard

__all__ = ["register_commands", "register_datasets"]


@hookimpl
def register_datasets() -> "Iterable[DatasetCard]":
    """Return the cards of the built-in datasets."""
    cards: Iterable[DatasetCard] = lazy_value("histobench_datasets.catalogue:DATASETS")()
    return cards


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Add ``histobench prepare``."""
    cli.add_command(lazy_value("histobench_datasets.visium.cli:prepare")())
