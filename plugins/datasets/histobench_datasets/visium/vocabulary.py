"""A vocabulary: the genes that a model reads, in its order, in a text file with one symbol per line."""

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
"""What to do with a gene of the vocabulary that was not measured: raise an error, or set it to zero everywhere."""

_MITOCHONDRIAL = "mt-"  # in mouse and, in capitals, in human; they reflect how a section was handled, not its tissue


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The column of each gene of a vocabulary in the counts (v,), -1 if it was not measured, and the missing genes."""

    columns: Int
    missing: tuple[str, ...]


def read_vocabulary(path: Path, /) -> tuple[str, ...]:
    """Read the symbols of a vocabulary; empty lines are skipped.

    Raises
    ------
    DataError
        If the file is missing, empty or not text, or a symbol repeats.
    """
    try:
        genes = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except FileNotFoundError as error:
        raise DataError(f"vocabulary '{path}' does not exist; `histobench prepare vocabulary` makes one.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"vocabulary '{path}' cannot be read: {error}.") from error
    if not genes:
        raise DataError(f"vocabulary '{path}' is empty; it must have one gene per line.")
    repeated = next((gene for gene, unique in zip(genes, unique_names(genes), strict=True) if gene != unique), None)
    if repeated is not None:
        raise DataError(f"vocabulary '{path}' names {repeated!r} more than once.")
    return tuple(genes)


def write_vocabulary(path: Path, genes: Sequence[str], /) -> None:
    """Write one symbol per line."""
    with replaced_file(path) as new:
        new.write_text("".join(f"{gene}\n" for gene in genes), encoding="utf-8")


def shared_genes(samples: Sequence[Sequence[str]], /) -> tuple[str, ...]:
    """List the genes that every sample has, except mitochondrial ones, in the order of the first sample.

    Raises
    ------
    DataError
        If there are none, or a name is empty or does not fit into one line of text.
    """
    first, *others = samples
    shared = set(first).intersection(*others)
    genes = tuple(gene for gene in first if gene in shared and not gene.lower().startswith(_MITOCHONDRIAL))
    if not genes:
        raise DataError(f"the {len(samples)} samples share no gene: do they all name genes by symbol?")
    odd = next((gene for gene in genes if [gene] != gene.strip().splitlines()), None)
    if odd is not None:
        raise DataError(f"gene {odd!r} does not fit into one line of a vocabulary: rename it in the samples.")
    return genes


def find_columns(genes: Sequence[str], vocabulary: Sequence[str], /, *, missing: Missing) -> Selection:
    """Find the genes of the vocabulary among those measured, in the order of the vocabulary.

    Raises
    ------
    DataError
        If a gene was not measured and ``missing`` is ``"error"``, or none was measured.
    """
    place = {gene: column for column, gene in enumerate(genes)}
    absent = tuple(gene for gene in vocabulary if gene not in place)
    if absent and (missing == "error" or len(absent) == len(vocabulary)):
        named = ", ".join(absent[:5]) + (", …" if len(absent) > 5 else "")
        advice = "do both name genes by symbol?" if len(absent) == len(vocabulary) else "or use --missing zero."
        raise DataError(
            f"{len(absent)} of the vocabulary's {len(vocabulary)} genes were not measured: {named}; {advice}"
        )
    return Selection(columns=np.array([place.get(gene, -1) for gene in vocabulary]), missing=absent)


def select_genes(values: sparse.csr_matrix, selection: Selection, /) -> sparse.csr_matrix:
    """Return the columns of (n, g) counts in the vocabulary's order, (n, v); genes that were not measured are zero."""
    found = np.flatnonzero(selection.columns >= 0)
    picks = sparse.csr_matrix(
        (np.ones(len(found), dtype=np.float32), (selection.columns[found], found)),
        shape=(values.shape[1], len(selection.columns)),
    )
    selected = sparse.csr_matrix(values @ picks)
    selected.sort_indices()
    return selected
