"""Files that appear whole or not at all: written beside their place, then renamed."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from histobench import ConfigError

__all__ = ["replaced_file", "replaced_folder"]


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Give a path to write to; it takes the place of ``path`` when all went well, else nothing is left of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def replaced_folder(folder: Path, ours: str) -> Iterator[Path]:
    """Give a folder to write to; it takes the place of ``folder``, whose files an earlier run wrote.

    Parameters
    ----------
    folder
        May exist; files of an earlier run must not outlive it, since the n-th file is the n-th row.
    ours
        Regular expression of the names that such a run writes.

    Raises
    ------
    ConfigError
        If the folder holds anything else: it is not ours to replace.
    """
    if folder.exists():
        strange = [entry.name for entry in folder.iterdir() if not re.fullmatch(ours, entry.name)]
        if strange:
            raise ConfigError(
                f"folder '{folder}' must be empty or hold patches only, found {min(strange)!r}: name another folder."
            )
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        beside.chmod(0o755)  # mkdtemp's is for the owner only
        yield beside
        if folder.exists():
            shutil.rmtree(folder)
        beside.replace(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
