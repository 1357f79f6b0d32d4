"""The cache: files named by the hash of their key, built once and shared by every run.

The key is the canonical JSON of everything that decides the content. A file is built under another name, flushed to
the disk and renamed. Its manifest, next to it, holds the key, the file's length and hash, and the versions that made
it. A file that has no manifest, or does not agree with it, is built again.
"""

import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock, Timeout

from histobench.errors import HistobenchError, StoreError
from histobench.files import file_digest, move_into_place, remove_leftovers, replacing

__all__ = ["CACHE_VARIABLE", "Cache", "Entry", "Kept", "digest"]

CACHE_VARIABLE = "HISTOBENCH_CACHE"
"""Environment variable that sets the folder of the cache; by default it is in the user's cache folder."""

_MADE_WITH = ("histobench", "torch", "timm", "numpy", "pillow", "h5py")
_PARTIAL = ".partial"
_OURS = re.compile(r"[0-9a-f]{64}\.")  # files with other names are not ours, and never removed
_BESIDE = (".json", ".lock", ".progress")  # companions of a cached file


def digest(key: Mapping[str, object]) -> str:
    """Return the SHA-256 of a key's canonical JSON, in hexadecimal; the order of its entries does not matter."""
    text = json.dumps(key, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The name of a cached file.

    Attributes
    ----------
    kind
        Folder within the cache.
    key
        Everything that decides the content, as JSON.
    about
        Facts for readers of the manifest that do not decide the content, such as the slide's name.
    """

    kind: str
    key: Mapping[str, object]
    suffix: str = ".h5"
    about: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file in the cache.

    Attributes
    ----------
    manifest
        As written when it was built; empty if it is missing or not readable.
    is_partial
        True if it is not finished: its build was interrupted, or is still running.
    """

    path: Path
    kind: str
    manifest: Mapping[str, Any]  # Any: JSON
    is_partial: bool = False

    @property
    def n_bytes(self) -> int:
        """Length of the file; 0 if it was removed."""
        return self.path.stat().st_size if self.path.exists() else 0

    def fault(self) -> str:
        """Read the whole file and return what is wrong with it; empty if nothing is."""
        quick = _quick_fault(self.path, self.manifest)
        if quick or self.is_partial:
            return quick
        return "" if file_digest(self.path) == self.manifest["sha256"] else "its content is not what was written"


class Cache:
    """One folder of content-addressed files, safe to share between processes.

    Attributes
    ----------
    root
        The folder; created with the first file.
    """

    def __init__(self, root: Path | None = None) -> None:
        given = os.environ.get(CACHE_VARIABLE)
        self.root = root or (Path(given) if given else platformdirs.user_cache_path("histobench"))

    def path(self, entry: Entry) -> Path:
        """Return the path of a key's file, whether or not it exists."""
        return self.root / entry.kind / f"{digest(entry.key)}{entry.suffix}"

    def holds(self, entry: Entry, valid: Callable[[Path], bool]) -> bool:
        """Return whether the file exists, agrees with its manifest in key and length, and is valid."""
        path = self.path(entry)
        return not _quick_fault(path, _read_manifest(path)) and valid(path)

    def make(
        self,
        entry: Entry,
        *,
        build: Callable[[Path], None],
        valid: Callable[[Path], bool],
    ) -> Path:
        """Return the file of a key; build it if it is missing or not valid.

        Two processes that ask at the same time build it once.

        Parameters
        ----------
        build
            Writes the file under the name it is given, where a build that was interrupted may have left a part of it.
        valid
            Returns whether a file is what `build` writes; one that is not is removed and built again.

        Raises
        ------
        StoreError
            If the folder cannot be written to: it is read-only, full, or a file.
        """
        path = self.path(entry)
        if self.holds(entry, valid):
            return path
        with self._writing():
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(_lock(path)):
                if not self.holds(entry, valid):
                    remove_leftovers(path.parent)
                    path.unlink(missing_ok=True)
                    partial = path.with_suffix(f"{_PARTIAL}{path.suffix}")  # one name, because the lock is held
                    build(partial)
                    # the manifest comes first: a file without one is not trusted
                    _write_manifest(path, entry, partial)
                    move_into_place(partial, path)
        return path

    def kept(self, kinds: Sequence[str]) -> Iterator[Kept]:
        """Yield the files of these kinds, finished or not, sorted by name."""
        for kind in kinds:
            folder = self.root / kind
            for path in sorted(folder.iterdir()) if folder.is_dir() else []:
                if _OURS.match(path.name) and path.is_file() and path.suffix not in _BESIDE:
                    is_partial = _PARTIAL in path.suffixes
                    manifest = {} if is_partial else _read_manifest(path)
                    yield Kept(path=path, kind=kind, manifest=manifest, is_partial=is_partial)

    def remove(self, kept: Kept) -> bool:
        """Remove a file and its companions; return ``False`` if a process is building it now.

        Its lock stays, because another process may be about to take it.
        """
        name = kept.path.name.partition(".")[0]
        with self._writing():
            try:
                with FileLock(_lock(kept.path.with_name(f"{name}{kept.path.suffix}")), timeout=0):
                    kept.path.unlink(missing_ok=True)
                    beside = ".progress" if kept.is_partial else ".json"
                    kept.path.with_name(f"{name}{beside}").unlink(missing_ok=True)
            except Timeout:
                return False
        return True

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (HistobenchError, Timeout):
            raise
        except OSError as error:
            raise StoreError(
                f"the cache folder {str(self.root)!r} cannot be written: {error}; make room or set {CACHE_VARIABLE} "
                "to another folder."
            ) from error


def _lock(path: Path) -> Path:
    return path.with_suffix(".lock")


def _write_manifest(path: Path, entry: Entry, written: Path) -> None:
    manifest = {
        "kind": entry.kind,
        "key": entry.key,
        "about": entry.about,
        "n_bytes": written.stat().st_size,
        "sha256": file_digest(written),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "on": platform.node(),
        "with": {name: found for name in _MADE_WITH if (found := _version(name))},
    }
    with replacing(path.with_suffix(".json")) as unfinished:
        unfinished.write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _read_manifest(path: Path) -> dict[str, Any]:  # Any: JSON
    try:
        found = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"), parse_constant=_no_number)
    except (OSError, ValueError, RecursionError):
        return {}
    parts = ("key", "about") if isinstance(found, dict) else ()
    return found if parts and all(isinstance(found.get(part, {}), dict) for part in parts) else {}


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _quick_fault(path: Path, manifest: Mapping[str, Any]) -> str:
    """Return what is wrong as far as can be seen without reading the file."""
    if _PARTIAL in path.suffixes:
        return "it was never finished"
    if not isinstance(manifest.get("key"), dict) or not {"n_bytes", "sha256"} <= manifest.keys():
        return "it has no manifest"
    if digest(manifest["key"]) != path.name.partition(".")[0]:
        return "its manifest is another file's"
    if not path.is_file():
        return "it is gone"
    n_bytes = path.stat().st_size
    return "" if n_bytes == manifest["n_bytes"] else f"it has {n_bytes} bytes, not {manifest['n_bytes']}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
