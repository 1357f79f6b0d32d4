"""Raw counts of spots, and gene names that are unique."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from histobench import Int, ShapeError

__all__ = ["GeneCounts", "unique_names"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneCounts:
    """Molecules of each gene at each spot.

    Parameters
    ----------
    barcodes
        n spot names.
    genes
        g gene names, all different.
    values
        (n, g) float32 CSR, as AnnData stores raw counts; whole numbers below 2²⁴ are exact.
    """

    barcodes: tuple[str, ...]
    genes: tuple[str, ...]
    values: sparse.csr_matrix

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.barcodes), len(self.genes)):
            raise ShapeError(
                f"counts must be ({len(self.barcodes)} spots, {len(self.genes)} genes), got {self.values.shape}."
            )
        if len(set(self.genes)) != len(self.genes):
            raise ShapeError("gene names must be unique: use unique_names.")

    def rows(self, chosen: Int) -> "GeneCounts":
        """Return (m,) rows, in the order given."""
        return replace(
            self, barcodes=tuple(self.barcodes[row] for row in chosen), values=self.values[np.asarray(chosen)]
        )


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Append ``-1``, ``-2``, … to repeated names, as AnnData does; the first occurrence keeps its name.

    Genes may share a symbol: ten thousand mouse symbols each name several Ensembl genes.
    """
    taken, seen, unique = set(names), set[str](), []
    last: dict[str, int] = {}
    for name in names:
        new = name
        if name in seen:
            number = last.get(name, 0) + 1
            while f"{name}-{number}" in taken:
                number += 1
            last[name], new = number, f"{name}-{number}"
        seen.add(name)
        taken.add(new)
        unique.append(new)
    return tuple(unique)
