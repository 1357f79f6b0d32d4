"""The five hooks that plugins implement, and the marker for their functions.

A plugin is a module registered under the entry-point group ``histobench``::

    from histobench import hookimpl

    @hookimpl
    def register_methods():
        return [MY_CARD]
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from histobench.contracts.cards import DatasetCard, EncoderCard, MethodCard, MetricCard

__all__ = ["ENTRY_POINT_GROUP", "hookimpl", "hookspec"]

ENTRY_POINT_GROUP = "histobench"
"""The entry-point group of built-in and third-party plugins alike."""

hookspec = pluggy.HookspecMarker("histobench")
"""Marks a hook's specification; only this module uses it."""

hookimpl = pluggy.HookimplMarker("histobench")
"""Marks a plugin's implementation of a hook."""


@hookspec
def register_encoders() -> "Iterable[EncoderCard]":  # type: ignore[empty-body]  # pluggy needs the signature only
    """Return the cards of image encoders."""


@hookspec
def register_methods() -> "Iterable[MethodCard]":  # type: ignore[empty-body]  # pluggy needs the signature only
    """Return the cards of methods."""


@hookspec
def register_datasets() -> "Iterable[DatasetCard]":  # type: ignore[empty-body]  # pluggy needs the signature only
    """Return the cards of datasets."""


@hookspec
def register_metrics() -> "Iterable[MetricCard]":  # type: ignore[empty-body]  # pluggy needs the signature only
    """Return the cards of metrics."""


@hookspec
def register_commands(cli: "click.Group") -> None:
    """Add commands to the ``histobench`` command line."""
