"""HDF5 files of one table with one row per spot, written from the first row on and resumed after a kill."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import h5py
import numpy as np
import numpy.typing as npt

from histobench.errors import DataError
from histobench.files import replacing

__all__ = ["SAVE_SECONDS", "RowWriter", "Rows", "names_its_rows", "open_rows"]

SAVE_SECONDS = 1.0
"""A killed writer loses at most what it wrote in this time."""

_KEY = "histobench_key"

Array = npt.NDArray[Any]  # Any: pixels or embeddings


@dataclass(frozen=True, slots=True)
class Rows:
    """The position of a contiguous, uncompressed table in an HDF5 file, so that its rows can be mapped."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]  # Any: of pixels or embeddings
    offset: int

    def map(self, mode: Literal["r", "r+"] = "r") -> Array:
        """Map the (n, ...) table, one row per spot."""
        table: Array = np.memmap(self.path, self.dtype, mode, self.offset, self.shape)
        return table


def open_rows(path: Path, name: str) -> Rows:
    """Locate a table in a file.

    Raises
    ------
    DataError
        If the file is damaged, or the table is missing, compressed or in pieces.
    """
    try:
        # h5py refuses a file that is shorter than its header says
        with h5py.File(path) as file:
            table = file[name]
            shape, dtype, offset = table.shape, table.dtype, table.id.get_offset()
    except (OSError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: not a file of {name!r}: {error}; remove it.") from error
    if offset is None:
        raise DataError(f"{path}: {name!r} must be contiguous and uncompressed, got {shape} {dtype}.")
    return Rows(path, shape, dtype, offset)


class RowWriter:
    """Writes such a file row by row; if a killed writer left a part of it, it resumes there.

    The complete header is written first; after that only the bytes of the rows change. The number of valid rows is in a
    companion file, which is replaced after the rows are flushed to the disk.

    Parameters
    ----------
    name, shape, dtype
        Of the table.
    columns
        Further tables of the file, with one row per spot, written with the header.
    """

    def __init__(
        self, path: Path, name: str, *, shape: tuple[int, ...], dtype: str, columns: Mapping[str, Array | Sequence[str]]
    ) -> None:
        self._progress = path.with_name(f"{_stem(path)}.progress")
        self.done = self._find(path, name, shape=shape, dtype=dtype)
        if not self.done:
            _write_header(path, name, shape=shape, dtype=dtype, columns=columns)
        self._map = open_rows(path, name).map("r+")
        self._saved_at = time.monotonic()

    def write(self, first: int, rows: Array) -> None:
        """Write rows (k, ...); they count as done if all rows before them are."""
        self._map[first : first + len(rows)] = rows
        if first <= self.done:
            self.done = max(self.done, first + len(rows))
        if time.monotonic() - self._saved_at >= SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Flush the rows to the disk, and record how many are done."""
        _flush(self._map)
        with replacing(self._progress) as unfinished:
            unfinished.write_text(json.dumps({"rows": self.done}))
        self._saved_at = time.monotonic()

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Record the progress after an error, else remove its file."""
        if error is None:
            _flush(self._map)
            self._progress.unlink(missing_ok=True)
        else:
            self.save()

    def _find(self, path: Path, name: str, *, shape: tuple[int, ...], dtype: str) -> int:
        """Return how many valid rows an earlier writer left."""
        try:
            rows = int(json.loads(self._progress.read_text())["rows"])
            left = open_rows(path, name)
        except (OSError, ValueError, KeyError, TypeError, DataError):
            return 0
        fits = left.shape == shape and left.dtype == np.dtype(dtype) and 0 <= rows <= shape[0]
        return rows if fits else 0


def names_its_rows(path: Path, column: str, names: tuple[str, ...]) -> bool:
    """Return whether a file was written under its present name, and for spots of these names."""
    try:
        with h5py.File(path) as file:
            return file.attrs.get(_KEY) == _stem(path) and tuple(file[column].asstr()[:]) == names
    except (OSError, KeyError, TypeError, AttributeError):
        return False


def _stem(path: Path) -> str:
    return path.name.partition(".")[0]


def _flush(table: Array) -> None:
    if isinstance(table, np.memmap):
        table.flush()


def _write_header(
    path: Path, name: str, *, shape: tuple[int, ...], dtype: str, columns: Mapping[str, Array | Sequence[str]]
) -> None:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)  # fixes the table's position in the file before any row is written
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    with h5py.File(path, "w") as file:
        file.attrs[_KEY] = _stem(path)  # detects a file that was copied under another name
        for column, values in columns.items():
            kind = None if isinstance(values, np.ndarray) else h5py.string_dtype()
            file.create_dataset(column, data=values, dtype=kind)
        space = h5py.h5s.create_simple(shape)
        h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(np.dtype(dtype)), space, dcpl=plan)
