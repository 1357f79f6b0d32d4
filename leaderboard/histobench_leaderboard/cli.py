"""``histobench leaderboard``; what it needs is imported when it runs."""

from pathlib import Path
from typing import Any

import click

__all__ = ["leaderboard"]


@click.group()
def leaderboard() -> None:
    """Make the static site that shows a study's results."""


@leaderboard.command()
@click.option(
    "--out",
    "--study",
    "out",
    type=click.Path(path_type=Path),
    default=Path("histobench-out"),
    show_default=True,
    help="Folder of the study.",
)
@click.option("--site", type=click.Path(path_type=Path), help="Folder of the site.  [OUT/site]")
@click.pass_obj
def build(app: Any, out: Path, site: Path | None) -> None:  # Any: the platform's, which plugins do not import
    """Write the site anew from the records; the same records give the same files."""
    from histobench_leaderboard.site import build_site

    # what the metrics are is said by their cards; without the platform about it the pages go without
    cards = {} if app is None else {card.name: card for card in app.registry.metrics}
    built = build_site(out, site, cards)
    for what, why in built.left_out.items():
        click.echo(f"left out {what}: {why}", err=True)
    click.echo(f"{built.n_jobs} jobs on {built.index}")
