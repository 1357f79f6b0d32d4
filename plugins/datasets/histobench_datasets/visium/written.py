"""Files that appear whole or not at all: written beside their place, then renamed."""

import io
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
from typing_extensions import override

from histobench import ConfigError, HistobenchError

__all__ = ["check_folder", "keep_inputs", "new_hdf5", "replaced_file", "replaced_folder"]


def keep_inputs(outputs: Iterable[Path | None], inputs: Iterable[Path | None], /) -> None:
    """Refuse to write where something is read, or twice to one file.

    Raises
    ------
    ConfigError
        If an output is an input or another output, by whatever name.
    """
    taken = {os.path.realpath(path) for path in inputs if path is not None}
    for path in outputs:
        if path is not None and os.path.realpath(path) in taken:
            raise ConfigError(f"'{path}' is another file of this command and would be overwritten: name another one.")
        taken |= set() if path is None else {os.path.realpath(path)}


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Give a path to write to; it takes the place of ``path`` when all went well, else nothing is left of it.

    Raises
    ------
    OSError
        With the file's name, if it cannot be written: its disk is full, its folder is not ours, it is a folder itself.
    """
    beside = path.with_name(f".{path.stem[:_LONGEST]}.{os.getpid()}{path.suffix}")
    with _named(path):
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder, not a file", str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


@contextmanager
def new_hdf5(path: Path) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """Give an HDF5 file to write, and what raises as soon as a write has failed; at the end it is called anyway.

    Raises
    ------
    OSError
        With the file's name, if a write fails, as on a full disk.
    """
    disk = _Disk(path)
    try:
        with h5py.File(disk, "w") as file:
            yield file, disk.check
    finally:
        disk.close()
        disk.check()  # whatever HDF5 made of it


def check_folder(folder: Path, ours: str, /) -> None:
    """Refuse to replace a folder with anything in it but files whose names match a regular expression.

    Raises
    ------
    ConfigError
        If it is not ours to replace.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"'{folder}' is a file, and a folder is to be written: name another one.")
    there = folder.iterdir() if folder.exists() else []
    strange = [at.name for at in there if not (at.is_file() and re.fullmatch(ours, at.name))]
    if strange:
        raise ConfigError(
            f"folder '{folder}' must be empty or hold patches only, found {min(strange)!r}: name another folder."
        )


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
        As `check_folder` does.
    OSError
        With the folder's name, if it cannot be written.
    """
    folder = Path(os.path.realpath(folder))  # a link to a folder stays a link to it
    check_folder(folder, ours)
    with _named(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
        try:
            new, old = beside / "new", beside / "old"
            new.mkdir()
            yield new
            if folder.exists():
                folder.replace(old)
            new.replace(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


_LONGEST = 200  # letters of a file's name in that of the one beside it: 255 are all that there may be


class _Disk(io.RawIOBase):
    """A file that HDF5 writes through: where it cannot close one of its own, it takes the process with it.

    After a write that failed the file goes on in memory, for HDF5 reads again what it wrote.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._disk = path.open("w+b", buffering=0)
        self._file: io.FileIO | io.BytesIO = self._disk
        self._refused: OSError | None = None

    def check(self) -> None:
        if self._refused is not None:
            raise OSError(self._refused.errno, self._refused.strerror, str(self._path)) from self._refused

    @override
    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    @override
    def tell(self) -> int:
        return self._file.tell()

    @override
    def readinto(self, buffer: Any, /) -> int | None:  # Any: what has a buffer
        return self._file.readinto(buffer)

    @override
    def write(self, content: Any, /) -> int:  # Any: likewise
        view = memoryview(content).cast("B")
        written = 0
        while written < len(view):
            try:
                written += self._file.write(view[written:])
            except OSError as error:
                self._go_on_in_memory(error)
        return len(view)

    @override
    def truncate(self, size: int | None = None, /) -> int:
        end = self.tell() if size is None else size
        if self._refused is None:
            try:
                return self._disk.truncate(end)
            except OSError as error:
                self._go_on_in_memory(error)
        if isinstance(self._file, io.BytesIO):
            at, known = self._file.tell(), len(self._file.getbuffer())
            self._file.truncate(end)
            self._file.seek(known)
            self._file.write(bytes(max(0, end - known)))  # memory grows by what is written only
            self._file.seek(at)
        return end

    @override
    def close(self) -> None:
        self._disk.close()
        super().close()

    def _go_on_in_memory(self, error: OSError) -> None:
        at, self._refused = self._disk.tell(), error
        self._disk.seek(0)
        self._file = io.BytesIO(self._disk.readall())
        self._file.seek(at)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in an error of the file system's that names none, or one that is not there any more."""
    try:
        yield
    except OSError as error:
        if isinstance(error, HistobenchError) or (error.filename and Path(error.filename).parent != path.parent):
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
