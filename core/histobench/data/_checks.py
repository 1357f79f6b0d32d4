"""Checks of the data types at construction."""

from typing import Any

import numpy as np
import numpy.typing as npt

from histobench.data.types import Float
from histobench.errors import ShapeError

__all__ = ["check_finite", "check_rows", "check_shape", "check_table"]


def check_shape(what: str, values: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    """Refuse an array whose shape is not ``shape``, such as (n, 2)."""
    if np.shape(values) != shape:
        raise ShapeError(f"{what} must be {shape}, got {np.shape(values)}.")


def check_rows(what: str, values: npt.NDArray[Any], n: int) -> None:
    """Refuse an array without exactly one row per spot."""
    if len(values) != n:
        raise ShapeError(f"{what} must have {n} rows, got {len(values)}.")


def check_table(what: str, names: tuple[str, ...], values: npt.NDArray[Any]) -> None:
    """Refuse values that are not an (n_spots, t) table with one column per name, and repeated names."""
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.shape[1] != len(names):
        raise ShapeError(f"{what} must be (n_spots, {len(names)}), got {np.shape(values)}.")
    if len(set(names)) != len(names):
        raise ShapeError(f"{what} repeat a name: {_first_repeated(names)!r}.")


def check_finite(what: str, names: tuple[str, ...], values: Float) -> None:
    """Refuse NaN and infinite values in (n, t); the message names the first column with one."""
    broken = ~np.isfinite(values)
    if broken.any():
        column = names[int(broken.any(axis=0).argmax())]
        raise ShapeError(f"{what} must be finite, got {int(broken.sum())} NaN or infinite values, e.g. for {column!r}.")


def _first_repeated(names: tuple[str, ...]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    raise ShapeError("no name repeats.")
