"""``histobench leaderboard``; heavy imports happen when it runs."""

from pathlib import Path
from typing import Any

import click

__all__ = ["leaderboard"]


@click.group()
def leaderboard() -> None:
    """Build the static site that shows the results of a study."""


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
def build(app: Any, out: Path, site: Path | None) -> None:  # Any: `histobench.cli.App`, which plugins do not import
    """Build the site from the records; the same records give the same files."""
    from histobench_leaderboard.site import build_site

    # titles and meanings of metrics come from their cards; without the platform the pages omit them
    cards = {} if app is None else {card.name: card for card in app.registry.metrics}
    built = build_site(out, site, cards)
    for what, why in built.left_out.items():
        click.echo(f"left out {what}: {why}", err=True)
    click.echo(f"{built.n_jobs} jobs on {built.index}")
