"""Saved methods: named arrays in one ``.npz`` and facts in JSON, never a pickle."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from histobench import DataError

__all__ = ["Arrays", "read_arrays", "read_facts", "write_arrays", "write_facts"]

Arrays = dict[str, npt.NDArray[Any]]  # Any: numbers of all types, and names
"""Array by name."""

_ARRAYS, _FACTS = "method.npz", "method.json"


def write_arrays(folder: Path, arrays: Mapping[str, npt.ArrayLike]) -> None:
    """Write the arrays into a folder, which is created if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _ARRAYS).open("wb") as file:
        np.savez(file, allow_pickle=False, **{name: np.asarray(values) for name, values in arrays.items()})


def read_arrays(folder: Path) -> Arrays:
    """Read what `write_arrays` wrote.

    Raises
    ------
    DataError
        If there is no such file or it is damaged.
    """
    path = folder / _ARRAYS
    try:
        # opened here, because numpy leaves a damaged file open
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} does not contain a saved method: {error}.") from error


def write_facts(folder: Path, facts: Mapping[str, object]) -> None:
    """Write the sizes and names that a module is built from, as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def read_facts(folder: Path) -> dict[str, Any]:  # Any: JSON values
    """Read what `write_facts` wrote; raises as `read_arrays` does."""
    path = folder / _FACTS
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} does not contain a saved method: {error}.") from error
    return facts
