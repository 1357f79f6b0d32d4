"""The genes that a model reads, in its order: a text file of one symbol a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy import sparse

from histobench import DataError, Int
from histobench_datasets.visium.gene_counts import unique_names
from histobench_datasets.visium.written import replaced_file

__all__ = [
    "Missing",
    "Selection",
    "find_columns",
    "read_vocabulary",
    "select_genes",
    "shared_genes",
    "write_vocabulary",
]

Missing = Literal["error", "zero"]
"""What becomes of a gene of the vocabulary that was not measured: refuse, or take it for zero everywhere."""

_MITOCHONDRIAL = "mt-"  # of mouse and, in capitals, of man; they tell how a section was handled, not what it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Where each gene of a vocabulary stands among those measured, (v,), and which were not (their column is -1)."""

    columns: Int
    missing: tuple[str, ...]


def read_vocabulary(path: Path, /) -> tuple[str, ...]:
    """Read the symbols of a vocabulary; empty lines are none.

    Raises
    ------
    DataError
        If the file is missing, empty or not text, or a symbol repeats.
    """
    try:
        genes = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except FileNotFoundError as error:
        raise DataError(f"there is no vocabulary '{path}'; `histobench prepare vocabulary` makes one.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"vocabulary '{path}' cannot be read: {error}.") from error
    if not genes:
        raise DataError(f"vocabulary '{path}' is empty; it has one gene a line.")
    repeated = next((gene for gene, told in zip(genes, unique_names(genes), strict=True) if gene != told), None)
    if repeated is not None:
        raise DataError(f"vocabulary '{path}' names {repeated!r} more than once.")
    return tuple(genes)


def write_vocabulary(path: Path, genes: Sequence[str], /) -> None:
    """Write one symbol a line, each with its line's end."""
    with replaced_file(path) as beside:
        beside.write_text("".join(f"{gene}\n" for gene in genes), encoding="utf-8")


def shared_genes(samples: Sequence[Sequence[str]], /) -> tuple[str, ...]:
    """List the genes that every sample has, mitochondrial ones left out, in the order of the first.

    Raises
    ------
    DataError
        If there is none, or one's name is empty or would not survive in a line of text.
    """
    first, *others = samples
    shared = set(first).intersection(*others)
    genes = tuple(gene for gene in first if gene in shared and not gene.lower().startswith(_MITOCHONDRIAL))
    if not genes:
        raise DataError(f"the {len(samples)} samples share no gene: do they all name genes by symbol?")
    odd = next((gene for gene in genes if [gene] != gene.strip().splitlines()), None)
    if odd is not None:
        raise DataError(f"gene {odd!r} is no name that a line of a vocabulary could hold: rename it in the samples.")
    return genes


def find_columns(genes: Sequence[str], vocabulary: Sequence[str], /, *, missing: Missing) -> Selection:
    """Find the vocabulary's genes among those measured, in the vocabulary's order.

    Raises
    ------
    DataError
        If one was not measured and ``missing`` is ``"error"``, or none was.
    """
    place = {gene: column for column, gene in enumerate(genes)}
    absent = tuple(gene for gene in vocabulary if gene not in place)
    if absent and (missing == "error" or len(absent) == len(vocabulary)):
        named = ", ".join(absent[:5]) + (", …" if len(absent) > 5 else "")
        advice = "do both name genes by symbol?" if len(absent) == len(vocabulary) else "or take --missing zero."
        raise DataError(
            f"{len(absent)} of the vocabulary's {len(vocabulary)} genes were not measured: {named}; {advice}"
        )
    return Selection(columns=np.array([place.get(gene, -1) for gene in vocabulary]), missing=absent)


def select_genes(values: sparse.csr_matrix, selection: Selection, /) -> sparse.csr_matrix:
    """Take the columns of (n, g) counts in the vocabulary's order, (n, v); genes that were not measured are zero."""
    found = np.flatnonzero(selection.columns >= 0)
    picks = sparse.csr_matrix(
        (np.ones(len(found), dtype=np.float32), (selection.columns[found], found)),
        shape=(values.shape[1], len(selection.columns)),
    )
    selected = sparse.csr_matrix(values @ picks)
    selected.sort_indices()
    return selected
