"""Printing: tables and progress bars on a terminal, plain lines everywhere else."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Advance", "Output"]


class Advance:
    """A progress bar; does nothing without a terminal."""

    def say(self, text: str) -> None:
        """Show what is being done."""

    def step(self) -> None:
        """Count one item as done."""


class _RichAdvance(Advance):
    def __init__(self, progress: object, task: object) -> None:
        self._progress, self._task = progress, task

    def say(self, text: str) -> None:
        self._progress.update(self._task, description=text)  # type: ignore[attr-defined]  # rich is imported late

    def step(self) -> None:
        self._progress.advance(self._task)  # type: ignore[attr-defined]  # rich is imported late


class Output:
    """Where a command prints.

    Parameters
    ----------
    quiet
        Leave out everything but results and errors.
    verbose
        Add every note.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.is_quiet, self.is_verbose = quiet, verbose
        self._live: Console | None = None

    def result(self, text: str = "") -> None:
        """Print a result."""
        click.echo(text)

    def json(self, value: object) -> None:
        """Print a result as JSON."""
        import json

        click.echo(json.dumps(value, indent=1))

    def csv(self, rows: "Sequence[Mapping[str, object]]") -> None:
        """Print a result as CSV, with a header if there is any row."""
        import csv

        if rows:
            writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def line(self, text: str) -> None:
        """Print a line about progress."""
        if not self.is_quiet:
            self._print(text)

    def note(self, text: str) -> None:
        """Print a detail, with ``--verbose`` only."""
        if self.is_verbose:
            self._print(text)

    def warn(self, text: str) -> None:
        """Print a warning."""
        self._print(f"note: {text}")

    def error(self, text: str) -> None:
        """Print the error that stopped the command."""
        click.echo(f"histobench: {' '.join(text.split())}", err=True)

    def table(self, rows: Sequence[Sequence[str]], header: Sequence[str], *, title: str = "") -> None:
        """Print a table that fits the terminal; without a terminal, aligned plain lines of any width."""
        if sys.stdout.isatty():
            self._rich_table(rows, header, title)
            return
        if title:
            self.result(title)
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        for row in (header, *rows):
            self.result("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    @contextmanager
    def progress(self, total: int) -> Iterator[Advance]:
        """Show a progress bar with the remaining time."""
        if self.is_quiet or total == 0 or not sys.stderr.isatty():
            yield Advance()
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._live = Console(stderr=True)
        columns = (
            BarColumn(20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
        )
        with Progress(*columns, console=self._live, transient=True) as bar:
            yield _RichAdvance(bar, bar.add_task("", total=total))
        self._live = None

    def _print(self, text: str) -> None:
        if self._live is not None:
            self._live.print(text, markup=False, highlight=False)
        else:
            click.echo(text, err=True)

    def _rich_table(self, rows: Sequence[Sequence[str]], header: Sequence[str], title: str) -> None:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(title) if title else None, title_justify="left", show_edge=False, pad_edge=False)
        for name in header:
            table.add_column(Text(name), overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        Console(width=shutil.get_terminal_size().columns).print(table)
