"""The leaderboard: a static site made from the records of a study, and the command that builds it."""

import click

from histobench import hookimpl, lazy_value

__all__ = ["register_commands"]


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Add ``histobench leaderboard``."""
    cli.add_command(lazy_value("histobench_leaderboard.cli:leaderboard")())
