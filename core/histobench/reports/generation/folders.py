"""The output folder of ``histobench generate``: it contains the images of exactly one run.

New images are written to a subfolder, and replace the earlier run once all are there. The subfolder's ``manifest.csv``,
written last, marks it as complete: after a kill, the next run finishes the exchange. So every image in the folder is at
any time listed in one of two manifests, and no manifest describes another run's images.
"""

import csv
import errno
import io
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import filelock

from histobench.errors import StoreError
from histobench.files import store_errors, write_atomically

__all__ = ["MANIFEST", "SHEET", "Manifest", "check_folder", "one_run", "write_manifest"]

MANIFEST, SHEET = "manifest.csv", "sheet.png"
"""Files in the folder in addition to the images."""

_APART = ".unfinished"
_IMAGE = re.compile(r"(cluster_\d+/)?prompt_\d{5,}(_t[\d.e-]+)?_seed\d{4,}_\d{2,}\.png")
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One image: its file, its prompt and the row of the prompts' file, cluster or place on a path, seed and sample."""

    file: str
    prompt: int
    row: int
    label: str
    seed: int
    sample: int


def check_folder(out: Path) -> None:
    """Refuse a folder with anything but an earlier run; hidden files are ignored.

    Raises
    ------
    StoreError
        If there is such a file, or the folder cannot be read.
    """
    with store_errors(out):
        if out.exists() and not out.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(out))
        held = {path.relative_to(out) for path in out.rglob("*") if path.is_symlink() or not path.is_dir()}
    shown = {path.as_posix() for path in held if not any(part.startswith(".") for part in path.parts)}
    foreign = sorted(shown.difference(_listed(out), _listed(out / _APART)))
    if foreign:
        some = ", ".join(map(repr, foreign[:_NAMED]))
        raise StoreError(
            f"{str(out)!r} must be new, empty, or contain one earlier run alone, but contains {len(foreign)} files "
            f"that its manifest does not list ({some}): move them elsewhere, or choose another folder with --out."
        )


@contextmanager
def one_run(out: Path) -> Iterator[Path]:
    """Yield a folder to write a run to, the manifest last; at the end it replaces an earlier run in `out`.

    Raises
    ------
    StoreError
        If the folder contains other files, another run writes to it, it cannot be written to or the disk is full.
    """
    apart = out / _APART
    with store_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(out / ".lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout as error:
            raise StoreError(f"another run writes to {str(out)!r}; wait for it, or choose another --out.") from error
        try:
            check_folder(out)
            _exchange(out)  # left by a killed run
            apart.mkdir()
            yield apart
            _exchange(out)
        finally:
            lock.release()


def write_manifest(folder: Path, entries: Sequence[Manifest]) -> None:
    """Write a line for each image."""
    held = io.StringIO()
    writer = csv.DictWriter(held, fieldnames=_columns())
    writer.writeheader()
    writer.writerows(asdict(entry) for entry in entries)
    write_atomically(folder / MANIFEST, held.getvalue().encode())


def _exchange(out: Path) -> None:
    """Replace the earlier run with a complete new one, and remove an incomplete one."""
    apart = out / _APART
    arriving = _listed(apart)
    if arriving:
        # the earlier manifest is removed last of its run, and the new one is moved last
        for file in sorted(_listed(out) - {MANIFEST}):
            (out / file).unlink(missing_ok=True)
        (out / MANIFEST).unlink(missing_ok=True)
        for file in sorted(arriving - {MANIFEST}):
            if (apart / file).exists():
                (out / file).parent.mkdir(exist_ok=True)
                (apart / file).replace(out / file)
        (apart / MANIFEST).replace(out / MANIFEST)
    if apart.exists():
        shutil.rmtree(apart)
    for cluster in out.glob("cluster_*"):
        if cluster.is_dir() and not any(cluster.iterdir()):
            cluster.rmdir()


def _listed(folder: Path) -> set[str]:
    """Return all files of the run whose manifest is in a folder; none without such a manifest."""
    try:
        with (folder / MANIFEST).open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            names = [row["file"] or "" for row in rows] if rows.fieldnames == _columns() else None
    except (OSError, UnicodeDecodeError, csv.Error):
        return set()
    return set() if names is None else {MANIFEST, SHEET, *(name for name in names if _IMAGE.fullmatch(name))}


def _columns() -> list[str]:
    return [own.name for own in fields(Manifest)]
