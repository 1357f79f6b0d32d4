"""The tab-separated tables of her2st: spots by columns, checked as they are read."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from histobench import DataError, Float
from histobench_datasets.her2st.layout import LATTICE

__all__ = ["Matrix", "check_spot_ids", "parse_matrix"]

_SPOT_ID = re.compile(r"([0-9]{1,3})x([0-9]{1,3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """A table of spots: ids (n,), column names (c,), values (n, c) float32."""

    spot_ids: tuple[str, ...]
    names: tuple[str, ...]
    values: Float


def parse_matrix(data: bytes, source: str, /) -> Matrix:
    """Parse tab-separated spots by columns: a header with an empty first field, then a spot id and numbers a line.

    pandas parses all numbers as a single column, because fifteen thousand columns would add a second of overhead.

    Raises
    ------
    DataError
        If the table is not rectangular, a spot or column repeats, or a value is not a finite number; the message names
        the line.
    """
    try:
        header, *lines = data.decode().splitlines() or [""]
    except UnicodeDecodeError as error:
        raise DataError(f"'{source}' is not a tab-separated table: {error}.") from error
    names = tuple(name.strip() for name in header.split("\t")[1:])
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise DataError(f"'{source}': column {repeated!r} repeats in the header.")
    rows = [line.partition("\t") for line in lines]
    if not rows:
        raise DataError(f"'{source}' has no spots.")
    for number, (_, _, values) in enumerate(rows, start=2):
        n_values = values.count("\t") + 1
        if n_values != len(names):
            raise DataError(f"'{source}', line {number} has {n_values} values, the header names {len(names)} columns.")
    spot_ids = tuple(spot for spot, _, _ in rows)
    check_spot_ids(spot_ids, source)
    return Matrix(spot_ids=spot_ids, names=names, values=_parse_numbers([row[2] for row in rows], names, source))


def _parse_numbers(rows: Sequence[str], names: Sequence[str], source: str) -> Float:
    text = io.StringIO("\n".join(rows).replace("\t", "\n"))
    try:
        column = pd.read_csv(
            text, header=None, dtype=np.float64, na_filter=False, skip_blank_lines=False, quoting=csv.QUOTE_NONE
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise _find_non_number(rows, names, source) from error
    values = column.to_numpy().reshape(len(rows), len(names))
    if not _is_number(values).all():
        raise _find_non_number(rows, names, source)
    return values.astype(np.float32)


def _is_number(values: Float | np.float64) -> npt.NDArray[np.bool_]:
    """Return which values fit into a float32; NaN and infinity do not."""
    fits: npt.NDArray[np.bool_] = np.abs(values) <= np.finfo(np.float32).max
    return fits


def _find_non_number(rows: Sequence[str], names: Sequence[str], source: str) -> DataError:
    """Return an error that locates the first value that is not a finite number; slow, so called only for errors."""
    places = (
        f"'{source}', line {number}, column {name!r}: {found!r}"
        for number, row in enumerate(rows, start=2)
        for name, found in zip(names, row.split("\t"), strict=True)
        if not _is_number(np.float64(pd.to_numeric(found, errors="coerce")))
    )
    return DataError(f"{next(places, repr(source))} is not a finite number.")


def check_spot_ids(spot_ids: Sequence[str], source: str, /) -> None:
    """Check spot ids.

    Raises
    ------
    DataError
        If an id is malformed, outside the array, or repeated; the message names the line.
    """
    seen: set[str] = set()
    for row, spot in enumerate(spot_ids):
        where = f"'{source}', line {row + 2}: spot '{spot}'"
        match = _SPOT_ID.fullmatch(spot)
        if match is None:
            raise DataError(f"{where} does not have the form '10x14', column x row.")
        if int(match[1]) > LATTICE[0] or int(match[2]) > LATTICE[1]:
            raise DataError(f"{where} is outside the array of {LATTICE[0]} x {LATTICE[1]} spots.")
        if spot in seen:
            raise DataError(f"{where} repeats in the table.")
        seen.add(spot)
