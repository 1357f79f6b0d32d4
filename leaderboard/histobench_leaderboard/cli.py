"""``histobench leaderboard``; what it needs is imported when it runs."""

from pathlib import Path

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
def build(out: Path, site: Path | None) -> None:
    """Write the site anew from the records; the same records give the same files."""
    from histobench_leaderboard.site import build_site

    built = build_site(out, site)
    for what, why in built.left_out.items():
        click.echo(f"left out {what}: {why}", err=True)
    click.echo(f"{built.n_jobs} jobs on {built.index}")
