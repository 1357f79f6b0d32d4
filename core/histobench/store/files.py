"""Writing that a kill or a full disk cannot leave half done, and its errors as sentences."""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from histobench.errors import StoreError

__all__ = ["store_error", "store_errors", "write_atomically"]


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees all of it or nothing.

    Raises
    ------
    StoreError
        If the folder cannot be written to or the disk is full.
    """
    # of its own in each thread too: a runner waits for its workers in threads, and all open the store
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.partial")
    with store_errors(path.parent):
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def store_errors(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses under a folder into ``StoreError``."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise store_error(folder, error) from error


def store_error(folder: Path, error: OSError) -> StoreError:
    """Say what the file system refused, and what to do."""
    where = repr(str(folder))
    if error.errno == errno.ENOSPC:
        return StoreError(f"the disk under {where} is full; free some space and run the same command again.")
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return StoreError(f"the output folder {where} is, or lies under, a file; choose another with --out.")
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return StoreError(f"the output folder {where} cannot be written to; choose another with --out.")
    return StoreError(f"the output folder {where} cannot be used: {error}.")
