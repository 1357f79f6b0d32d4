"""Readers for the files of her2st.

The contents of each file are checked here: the form of spot ids, repeated spots and genes, invalid numbers. Whether
tables belong together is checked in `join`.
"""

import csv
import gzip
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from histobench import DataError, Float
from histobench_datasets.her2st.table import Matrix, check_spot_ids, parse_matrix
from histobench_datasets.lattice import lattice_pitch

__all__ = [
    "LABELS",
    "Labels",
    "Selection",
    "list_proportions",
    "read_counts",
    "read_labels",
    "read_proportions",
    "read_proportions_bytes",
    "read_selection",
]

LABELS = (
    "adipose tissue",
    "breast glands",
    "cancer in situ",
    "connective tissue",
    "immune infiltrate",
    "invasive cancer",
)
"""The pathologist's classes. A spot that she left undetermined is treated as unlabelled."""

_UNDETERMINED = "undetermined"
_PITCH_UM = 200.0  # centre to centre on the legacy array (Andersson et al. 2021)
_SUM_TOLERANCE = 1e-2  # of a spot's proportions; the published ones deviate by at most 1e-6
_MISSING = ("", "NA", "NaN", "nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Spots under tissue: ids (n,), centres (n, 2) in image pixels, and the resolution derived from the lattice."""

    spot_ids: tuple[str, ...]
    xy_px: Float
    mpp: float
    pitch_px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The pathologist's label of each spot, the spots left undetermined, and the number of labels without position."""

    by_spot: dict[str, str]
    undetermined: tuple[str, ...]
    n_without_position: int


def read_counts(path: Path, /) -> Matrix:
    """Read raw counts.

    Raises
    ------
    DataError
        If the file is not gzip, a count is negative or not a number, or a spot or gene repeats.
    """
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"'{path}' cannot be unpacked ({error}): fetch it again.") from error
    matrix = parse_matrix(data, str(path))
    if matrix.values.size and matrix.values.min() < 0:
        row, column = np.argwhere(matrix.values < 0)[0]
        where = f"spot '{matrix.spot_ids[row]}', gene {matrix.names[column]!r}"
        raise DataError(f"'{path}', line {row + 2}: {where} has a negative count, {matrix.values[row, column]:g}.")
    return matrix


def read_selection(path: Path, /) -> Selection:
    """Read the spots under tissue (``selected`` is 1), and derive microns per pixel from their lattice.

    Raises
    ------
    DataError
        If a column is missing, a value is not a number, a spot repeats, or no spot is selected.
    """
    frame = _read_frame(path, ("x", "y", "pixel_x", "pixel_y", "selected"))
    x, y, pixel_x, pixel_y, selected = (_numbers(frame[name], path) for name in frame.columns)
    if not (np.array_equal(x, np.rint(x)) and np.array_equal(y, np.rint(y))):
        raise DataError(f"'{path}': array coordinates x and y must be whole numbers.")
    ids = tuple(f"{int(column)}x{int(row)}" for column, row in zip(x, y, strict=True))
    check_spot_ids(ids, str(path))
    keep = selected == 1
    if not keep.any():
        raise DataError(f"'{path}': no spot is selected (column 'selected' is never 1).")
    xy_px = np.column_stack([pixel_x, pixel_y])
    pitch_px = lattice_pitch(np.column_stack([x, y]), xy_px, path)
    return Selection(
        spot_ids=tuple(spot for spot, kept in zip(ids, keep, strict=True) if kept),
        xy_px=xy_px[keep],
        mpp=_PITCH_UM / pitch_px,
        pitch_px=pitch_px,
    )


def read_labels(path: Path, /) -> Labels:
    """Read the pathologist's labels; their positions are not whole numbers and are rounded to those of the spots.

    Raises
    ------
    DataError
        If a column is missing, a position is not a number, a spot repeats, or a label is not one of `LABELS`.
    """
    frame = _read_frame(path, ("x", "y", "label"))
    lost = frame["x"].isin(_MISSING) | frame["y"].isin(_MISSING)
    placed = frame[~lost]
    x, y = (np.rint(_numbers(placed[name], path)).astype(np.int64) for name in ("x", "y"))
    ids = tuple(f"{column}x{row}" for column, row in zip(x, y, strict=True))
    check_spot_ids(ids, str(path))
    by_spot = dict(zip(ids, placed["label"], strict=True))
    for spot, label in by_spot.items():
        if label not in (*LABELS, _UNDETERMINED):
            raise DataError(f"'{path}': spot '{spot}' has label {label!r}; known are {', '.join(LABELS)}.")
    return Labels(
        by_spot={spot: label for spot, label in by_spot.items() if label != _UNDETERMINED},
        undetermined=tuple(spot for spot, label in by_spot.items() if label == _UNDETERMINED),
        n_without_position=int(lost.sum()),
    )


def list_proportions(path: Path, /) -> frozenset[str]:
    """List the slides in an archive of proportions.

    Raises
    ------
    DataError
        If the archive is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return frozenset(name.split("/")[-1].removesuffix("-proportion.tsv") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"'{path}' is not a readable zip archive ({error}): fetch it again.") from error


def read_proportions_bytes(path: Path, slide_id: str, /) -> bytes:
    """Read one slide's file from the archive, without unpacking it to disk.

    Raises
    ------
    DataError
        If the archive is damaged or does not hold the file.
    """
    member = f"{path.stem}/{slide_id}-proportion.tsv"
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(member)
    except KeyError as error:
        raise DataError(f"'{path}' has no '{member}'.") from error
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"'{member}' in '{path}' cannot be unpacked ({error}): fetch the archive again.") from error


def read_proportions(path: Path, slide_id: str, /) -> Matrix:
    """Read the share of each cell type at each spot; names are stripped of surrounding spaces.

    Raises
    ------
    DataError
        If a share is negative or not a number, or a spot's shares do not sum to 1 within 0.01.
    """
    source = f"{path}: {slide_id}-proportion.tsv"
    matrix = parse_matrix(read_proportions_bytes(path, slide_id), source)
    if matrix.values.min() < 0:
        row, column = np.argwhere(matrix.values < 0)[0]
        where = f"spot '{matrix.spot_ids[row]}', cell type {matrix.names[column]!r}"
        raise DataError(f"'{source}', line {row + 2}: {where} has a negative proportion.")
    sums = matrix.values.sum(axis=1, dtype=np.float64)
    wrong = np.abs(sums - 1) > _SUM_TOLERANCE
    if wrong.any():
        row = int(wrong.argmax())
        where = f"line {row + 2}: the proportions of spot '{matrix.spot_ids[row]}'"
        raise DataError(f"'{source}', {where} sum to {sums[row]:.3f}, not to 1.")
    return matrix


def _read_frame(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, sep="\t", dtype=str, na_filter=False, quoting=csv.QUOTE_NONE, index_col=False)
    except (OSError, UnicodeDecodeError, pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise DataError(f"'{path}' is not a tab-separated table: {str(error).strip()}.") from error
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise DataError(f"'{path}' has no column {missing[0]!r}; found {', '.join(map(str, frame.columns))}.")
    return frame[list(columns)]


def _numbers(column: "pd.Series[str]", path: Path) -> Float:
    values: Float = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    broken = ~np.isfinite(values)
    if broken.any():
        row = int(broken.argmax())
        text = f"column {column.name!r} is not a finite number: {column.iloc[row]!r}"
        raise DataError(f"'{path}', line {int(column.index[row]) + 2}: {text}.")
    return values
