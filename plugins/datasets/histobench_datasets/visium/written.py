"""Outputs of ``histobench prepare``: files and folders that appear whole or not at all, and never replace an input."""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from histobench import ConfigError, HistobenchError
from histobench.files import replacing

__all__ = ["check_folder", "keep_inputs", "replaced_file", "replaced_folder"]


def keep_inputs(outputs: Iterable[Path | None], inputs: Iterable[Path | None], /) -> None:
    """Refuse to write to a file that is also read, or to write two outputs to one file.

    Raises
    ------
    ConfigError
        If an output is an input or another output, under any name.
    """
    taken = {os.path.realpath(path) for path in inputs if path is not None}
    for path in outputs:
        if path is not None and os.path.realpath(path) in taken:
            raise ConfigError(f"'{path}' is another file of this command and would be overwritten: name another one.")
        taken |= set() if path is None else {os.path.realpath(path)}


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield the path of a new file, which replaces ``path`` when the block ends without an error.

    Raises
    ------
    OSError
        With the file's name, if it cannot be written: the disk is full, its folder is read-only, or it is a folder.
    """
    with _named(path):
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder, not a file", str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            yield partial


def check_folder(folder: Path, ours: str, /) -> None:
    """Refuse to replace a folder that holds anything but files whose names match the regular expression ``ours``.

    Raises
    ------
    ConfigError
        If the folder holds other files, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"'{folder}' is a file, but must be a folder: name another one.")
    found = folder.iterdir() if folder.exists() else []
    other = [path.name for path in found if not (path.is_file() and re.fullmatch(ours, path.name))]
    if other:
        raise ConfigError(
            f"folder '{folder}' must be empty or hold patches only, found {min(other)!r}: name another folder."
        )


@contextmanager
def replaced_folder(folder: Path, ours: str) -> Iterator[Path]:
    """Yield the path of a new folder, which replaces ``folder`` when the block ends without an error.

    Parameters
    ----------
    folder
        May exist. Files of an earlier run are removed, because the n-th file belongs to the n-th row of the counts.
    ours
        Regular expression of the names that such a run writes.

    Raises
    ------
    ConfigError
        As `check_folder`.
    OSError
        With the folder's name, if it cannot be written.
    """
    folder = Path(os.path.realpath(folder))  # a link to a folder stays a link to it
    check_folder(folder, ours)
    with _named(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent, ignore_cleanup_errors=True) as temporary:
            new, old = Path(temporary, "new"), Path(temporary, "old")
            new.mkdir()
            yield new
            if folder.exists():
                folder.replace(old)
            new.replace(folder)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name ``path`` in an error of the file system that names no file, or names a temporary one next to it."""
    try:
        yield
    except OSError as error:
        if isinstance(error, HistobenchError) or (error.filename and Path(error.filename).parent != path.parent):
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
