"""The array types of the data, and stacks of patches."""

from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Float", "Int", "Patches", "UInt8"]

# numpy has types for elements only; docstrings give the shape.
Float: TypeAlias = npt.NDArray[np.floating[Any]]
Int: TypeAlias = npt.NDArray[np.integer[Any]]
UInt8: TypeAlias = npt.NDArray[np.uint8]


class Patches(Protocol):
    """A stack of patches that are read when indexed; a plain array is one too."""

    def __len__(self) -> int:
        """Count the patches."""
        ...

    def __getitem__(self, rows: Any, /) -> UInt8:  # Any: whatever numpy takes for an index of rows
        """Read patches as ``(k, h, w, 3)`` uint8 RGB."""
        ...
