"""Durable files: writes that a kill or a full disk cannot leave half done, errors as sentences, and digests."""

import errno
import hashlib
import io
import os
import platform
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import psutil
from typing_extensions import override

from histobench.errors import StoreError

__all__ = [
    "file_digest",
    "move_into_place",
    "new_hdf5",
    "remove_leftovers",
    "replacing",
    "store_error",
    "store_errors",
    "write_atomically",
]

_PARTIAL = re.compile(r"\..+\.(?P<host>[^.]+)-(?P<pid>\d+)-\d+\.partial")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the name of a new file next to ``path``, which replaces ``path`` when the block ends without an error.

    The new file is flushed to the disk first: readers, also after a crash, see either the old file or all of the new.

    Raises
    ------
    OSError
        If the file cannot be written, flushed or renamed; the new file is then removed.
    """
    # the thread is part of the name: a runner waits for its workers in threads, and all of them open the store
    # (names have at most 255 letters)
    partial = path.with_name(f".{path.name[:150]}.{_host()}-{os.getpid()}-{threading.get_ident()}.partial")
    try:
        yield partial
        move_into_place(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def move_into_place(partial: Path, path: Path) -> None:
    """Flush a finished file to the disk and rename it to ``path``."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def remove_leftovers(folder: Path) -> None:
    """Remove from a folder the partial files of `replacing` that killed processes of this machine have left."""
    for path in folder.glob(".*.partial"):
        found = _PARTIAL.fullmatch(path.name)
        if found is not None and found["host"] == _host() and not psutil.pid_exists(int(found["pid"])):
            with suppress(OSError):  # a folder that cannot be changed keeps them
                path.unlink()


def _host() -> str:
    return platform.node().partition(".")[0] or "localhost"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file with `replacing`.

    Raises
    ------
    StoreError
        If the folder cannot be written to or the disk is full.
    """
    with store_errors(path.parent), replacing(path) as partial:
        partial.write_bytes(content)


@contextmanager
def new_hdf5(path: Path, *, track_order: bool = False) -> Iterator[h5py.File]:
    """Yield an HDF5 file to write; a write that failed is raised when the file is closed.

    Raises
    ------
    OSError
        With the file's name, if a write fails, as on a full disk.
    """
    disk = _Disk(path)
    try:
        with h5py.File(disk, "w", track_order=track_order) as file:
            yield file
    finally:
        disk.close()
        disk.check()  # whether or not HDF5 raised


@contextmanager
def store_errors(folder: Path) -> Iterator[None]:
    """Turn errors of the file system under a folder into ``StoreError``."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise store_error(folder, error) from error


def store_error(folder: Path, error: OSError) -> StoreError:
    """Return the error that names the cause and what to do."""
    where = repr(str(folder))
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreError(f"the disk under {where} is full; free some space and run the same command again.")
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return StoreError(f"the output folder {where} is a file, or is below a file; choose another with --out.")
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return StoreError(f"the output folder {where} cannot be written to; choose another with --out.")
    return StoreError(f"the output folder {where} cannot be used: {error}.")


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal hash of a file's bytes; the file is read in pieces.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


class _Disk(io.RawIOBase):
    """A file object for HDF5 to write to: if HDF5 cannot close a file of its own, it ends the process.

    After a failed write, the file continues in memory, because HDF5 reads again what it wrote.
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
    def write(self, content: Any, /) -> int:  # Any: what has a buffer
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
