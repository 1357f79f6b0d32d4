"""Files that are named after what they were made from, made once and shared by every run.

A file's name is the hash of its key, the canonical JSON of everything that decides its content. It is built under
another name, flushed to the disk and renamed, so that a file that is there is whole; what a machine killed in the
wrong moment, or a stranger, left behind is found by the caller's own check and made again.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock

from histobench.errors import HistobenchError, StoreError

__all__ = ["CACHE_VARIABLE", "Cache", "digest"]

CACHE_VARIABLE = "HISTOBENCH_CACHE"
"""Environment variable that moves the cache; without it, it lies in the user's cache folder."""


def digest(key: Mapping[str, object]) -> str:
    """Hash a key: sha256 of its canonical JSON, in hexadecimal; the order of its entries does not matter."""
    text = json.dumps(key, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Cache:
    """One folder of content-addressed files, safe to share between processes.

    Attributes
    ----------
    root
        The folder; made when something is first put there.
    """

    def __init__(self, root: Path | None = None) -> None:
        given = os.environ.get(CACHE_VARIABLE)
        self.root = root or (Path(given) if given else platformdirs.user_cache_path("histobench"))

    def path(self, kind: str, key: Mapping[str, object], *, suffix: str) -> Path:
        """Say where the file of a key lies, or would."""
        return self.root / kind / f"{digest(key)}{suffix}"

    def make(
        self,
        kind: str,
        key: Mapping[str, object],
        *,
        build: Callable[[Path], None],
        valid: Callable[[Path], bool],
        suffix: str,
    ) -> Path:
        """Return the file of a key, building it if it is not there or not valid.

        Two processes that ask at once build it once.

        Parameters
        ----------
        kind
            Folder within the cache.
        key
            Everything that decides the content, as JSON.
        build
            Writes the file under the name it is given.
        valid
            Looks whether a file is what `build` writes; one that is not is removed and built again.

        Raises
        ------
        StoreError
            If the folder cannot be written: read-only, full, or a file.
        """
        path = self.path(kind, key, suffix=suffix)
        if path.exists() and valid(path):
            return path
        with self._writing():
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                if not (path.exists() and valid(path)):
                    path.unlink(missing_ok=True)
                    _build(path, build)
        return path

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except HistobenchError:
            raise
        except OSError as error:
            raise StoreError(
                f"the cache folder {str(self.root)!r} cannot be written: {error}; make room or set {CACHE_VARIABLE} "
                "to another folder."
            ) from error


def _build(path: Path, build: Callable[[Path], None]) -> None:
    # The lock is ours, so the name can be fixed: what a killed process left under it is overwritten, never piled up.
    partial = path.with_suffix(f".partial{path.suffix}")
    try:
        partial.unlink(missing_ok=True)
        build(partial)
        _flush(partial)
        partial.replace(path)
        _flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
