"""``histobench cache``: list, verify and prune cached files."""

import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from histobench.cache import Kept
    from histobench.cli import App

__all__ = ["cache"]

_KINDS = ("patches", "embeddings")
_MIB = 2**20


@click.group()
def cache() -> None:
    """List, verify and prune cached patches and embeddings."""


@cache.command("list")
@click.option("--kind", type=click.Choice(_KINDS), help="Only these. [both]")
@click.pass_obj
def list_cache(app: "App", kind: str | None) -> None:
    """List every file in the cache, and what it was made from."""
    from histobench.cache import Cache

    kept = list(Cache().kept([kind] if kind else _KINDS))
    app.output.table([_row(file) for file in kept], ["kind", "slide", "encoder", "patch", "MiB", "made", "file"])
    app.output.result(f"{len(kept)} files, {_size(kept)} in {Cache().root}")


@cache.command()
@click.option("--kind", type=click.Choice(_KINDS), help="Only these. [both]")
@click.pass_obj
def verify(app: "App", kind: str | None) -> None:
    """Compare every file with its manifest; exit code 1 if one is damaged."""
    from histobench.cache import Cache

    found = [(file, file.fault()) for file in Cache().kept([kind] if kind else _KINDS)]
    wrong = [(file, fault) for file, fault in found if fault and not file.is_partial]
    for file, fault in wrong:
        app.output.result(f"{file.path}: {fault}")
    unfinished = sum(file.is_partial for file, _ in found)
    if unfinished:
        app.output.line(f"{unfinished} files are unfinished; the next run completes them.")
    advice = "; `histobench cache prune --damaged` removes them, and the next run computes them again" if wrong else ""
    app.output.result(f"{len(found) - len(wrong) - unfinished} files are intact, {len(wrong)} are not{advice}.")
    sys.exit(1 if wrong else 0)


@cache.command()
@click.option("--kind", type=click.Choice(_KINDS), help="Only these. [both]")
@click.option("--encoder", help="Only embeddings of this encoder.")
@click.option(
    "--older-than", type=click.FloatRange(min=0, max=36500), metavar="DAYS", help="Only files that are older."
)
@click.option("--damaged", is_flag=True, help="Only files that do not match their manifest; reads all files.")
@click.option("--unfinished", is_flag=True, help="Only unfinished files of stopped runs.")
@click.option("--all", "everything", is_flag=True, help="All files that the other options do not exclude.")
@click.option("--dry-run", is_flag=True, help="Print what would be removed, and remove nothing.")
@click.pass_obj
def prune(  # one parameter an argument or option
    app: "App",
    kind: str | None,
    encoder: str | None,
    older_than: float | None,
    damaged: bool,
    unfinished: bool,
    everything: bool,
    dry_run: bool,
) -> None:
    """Remove files from the cache; later runs compute them again if needed."""
    from histobench.cache import Cache
    from histobench.errors import ConfigError

    if not (kind or encoder or older_than is not None or damaged or unfinished or everything):
        raise ConfigError(
            "choose what to remove: --kind, --encoder, --older-than, --damaged, --unfinished, or --all for everything."
        )
    kept: Iterable[Kept] = Cache().kept([kind] if kind else _KINDS)
    if encoder:
        kept = (file for file in kept if _encoder(file) == encoder)
    if older_than is not None:
        kept = (file for file in kept if _age(file) >= timedelta(days=older_than))
    if damaged:
        kept = (file for file in kept if not file.is_partial and file.fault())
    if unfinished:
        kept = (file for file in kept if file.is_partial)
    _remove(app, list(kept), dry_run=dry_run)


def _remove(app: "App", kept: "list[Kept]", *, dry_run: bool) -> None:
    from histobench.cache import Cache

    size, gone = _size(kept), 0
    for file in kept:
        app.output.note(str(file.path))
        if dry_run or Cache().remove(file):
            gone += 1
        else:
            app.output.warn(f"not removed, because a run is writing it: {file.path}")
    app.output.result(f"{gone} files {'would be' if dry_run else 'were'} removed, {size} in all.")


def _row(file: "Kept") -> list[str]:
    about = file.manifest.get("about", {})
    state = "unfinished" if file.is_partial else str(file.manifest.get("made", "no manifest"))
    slide, size = str(about.get("slide", "?")), f"{file.n_bytes / _MIB:.1f}"
    return [file.kind, slide, _encoder(file) or "-", _patch(file), size, state, file.path.name[:12]]


def _encoder(file: "Kept") -> str:
    key = file.manifest.get("key", {})
    return str(key.get("encoder", ""))


def _patch(file: "Kept") -> str:
    key = file.manifest.get("key", {})
    patches = key.get("patches", key)
    geometry = patches.get("geometry") if isinstance(patches, dict) else None
    if not isinstance(geometry, dict) or not isinstance(geometry.get("mpp"), int | float | None):
        return "?"
    field = f"{geometry['mpp']:g} µm/px" if geometry.get("mpp") else f"of {geometry.get('field_px')} px"
    precision = f", {key['precision']}" if "precision" in key else ""
    return f"{geometry.get('patch_px')} px {field}{precision}"


def _age(file: "Kept") -> timedelta:
    made = datetime.fromtimestamp(file.path.stat().st_mtime).astimezone()
    return datetime.now().astimezone() - made


def _size(kept: "Iterable[Kept]") -> str:
    return f"{sum(file.n_bytes for file in kept) / _MIB:.1f} MiB"
