"""The output folder of a run: it holds the images of exactly one.

New images are written apart, and take the earlier run's place once all are there. From then on a file ``manifest.csv``
beside them says so: whoever finds it after a kill finishes the exchange. So every image in the folder is at any time
listed in one of two manifests, and none is described by another run's.
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
"""What stands in the folder beside the images."""

_APART = ".unfinished"
_IMAGE = re.compile(r"(cluster_\d+/)?prompt_\d{5,}(_t[\d.e-]+)?_seed\d{4,}_\d{2,}\.png")
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one image is: its file, the prompt and the file's row it came from, cluster or place, seed and sample."""

    file: str
    prompt: int
    row: int
    label: str
    seed: int
    sample: int


def check_folder(out: Path) -> None:
    """Refuse a folder that holds anything but an earlier run; what is hidden in it is left alone.

    Raises
    ------
    StoreError
        If there is such a file, or this is no folder that can be read.
    """
    with store_errors(out):
        if out.exists() and not out.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "no folder", str(out))
        held = {path.relative_to(out) for path in out.rglob("*") if path.is_symlink() or not path.is_dir()}
    shown = {path.as_posix() for path in held if not any(part.startswith(".") for part in path.parts)}
    foreign = sorted(shown.difference(_listed(out), _listed(out / _APART)))
    if foreign:
        some = ", ".join(map(repr, foreign[:_NAMED]))
        raise StoreError(
            f"{str(out)!r} must be new, empty, or hold one earlier run alone, and holds {len(foreign)} files that no "
            f"manifest of it lists ({some}): move them elsewhere, or name another folder with --out."
        )


@contextmanager
def one_run(out: Path) -> Iterator[Path]:
    """Give a folder to write a run into, the manifest last; at the end it takes the place of an earlier one in `out`.

    Raises
    ------
    StoreError
        If the folder holds other files, another run is written into it, it cannot be written to or the disk is full.
    """
    apart = out / _APART
    with store_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(out / ".lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout as error:
            raise StoreError(f"another run draws into {str(out)!r}; wait for it, or choose another --out.") from error
        try:
            check_folder(out)
            _exchange(out)  # what a killed run has left
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
    """Put a whole run that lies apart in the place of the earlier one, and one that is not whole nowhere."""
    apart = out / _APART
    arriving = _listed(apart)
    if arriving:
        # the earlier manifest is the last of its run to go, and the new one the last to come
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
    """Name all files of the run whose manifest lies in a folder; none if there is no such manifest."""
    try:
        with (folder / MANIFEST).open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            names = [row["file"] or "" for row in rows] if rows.fieldnames == _columns() else None
    except (OSError, UnicodeDecodeError, csv.Error):
        return set()
    return set() if names is None else {MANIFEST, SHEET, *(name for name in names if _IMAGE.fullmatch(name))}


def _columns() -> list[str]:
    return [own.name for own in fields(Manifest)]
