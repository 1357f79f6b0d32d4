"""The element types, kinds and lattices of the data."""

from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Auxiliary", "Float", "Int", "Kind", "Lattice", "Patches", "UInt8"]

# The element type stands in the name; numpy cannot put the shape into a type, docstrings give it.
Float: TypeAlias = npt.NDArray[np.floating[Any]]
Int: TypeAlias = npt.NDArray[np.integer[Any]]
UInt8: TypeAlias = npt.NDArray[np.uint8]

Kind: TypeAlias = Literal["gene_expression", "cell_abundance", "label", "enhance", "retrieve", "generate"]
"""What a task asks for at a spot.

``gene_expression``, ``cell_abundance``, ``label``: read off the image. ``enhance``: expression cleaned of its noise.
``retrieve``: the spot's image found by its expression, and back. ``generate``: a patch for an expression.
"""

Lattice: TypeAlias = Literal["square", "hex"]

Auxiliary: TypeAlias = Literal["gene_expression", "other_genes", "counts", "label", "cell_abundance"]
"""What a method may train with beside the targets that it predicts.

``gene_expression``: the fold's panel of genes. ``other_genes``: every gene seen in training that is not predicted, in
the same unit. ``counts``: raw counts of the predicted genes. ``label``: one-hot classes, a row of zeros where a spot
has none. ``cell_abundance``: the dataset's default abundance.
"""


class Patches(Protocol):
    """A stack of patches that is read when indexed; a plain array is one too."""

    def __len__(self) -> int:
        """Count the patches."""
        ...

    def __getitem__(self, rows: Any, /) -> UInt8:  # Any: whatever numpy takes for an index of rows
        """Read patches as ``(k, h, w, 3)`` uint8 RGB."""
        ...
