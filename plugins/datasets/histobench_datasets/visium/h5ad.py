"""Counts in AnnData files. Only this module imports anndata, which takes long to load."""

from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from histobench import DataError, Float
from histobench.files import new_hdf5
from histobench_datasets.visium.gene_counts import GeneCounts, unique_names
from histobench_datasets.visium.vocabulary import Missing, find_columns, select_genes
from histobench_datasets.visium.written import replaced_file

__all__ = ["Filtered", "filter_genes", "filtered_path", "read_centres", "read_counts", "write_counts"]

_READ_ERRORS = (
    OSError,
    KeyError,
    ValueError,
    TypeError,
    RuntimeError,
    AttributeError,
)  # what anndata raises for damage


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """The file with the filtered genes, how many there are, those set to zero, and whether values were raw counts."""

    path: Path
    n_genes: int
    missing: tuple[str, ...]
    is_raw: bool


def write_counts(path: Path, counts: GeneCounts, /) -> None:
    """Write raw counts: ``X`` (n, g) CSR, barcodes as ``obs``, genes as ``var``."""
    obs, var = pd.DataFrame(index=list(counts.barcodes)), pd.DataFrame(index=list(counts.genes))
    _write(path, anndata.AnnData(X=counts.values, obs=obs, var=var))


def read_counts(path: Path, /) -> GeneCounts:
    """Read raw counts, sparse or dense; gene names are made unique.

    Raises
    ------
    DataError
        If the file is missing, damaged or has no counts.
    """
    return _counts(_read(path), path)


def read_centres(path: Path, /) -> Float:
    """Read the centres of the spots (n, 2), x first, from ``obsm["spatial"]``.

    Raises
    ------
    DataError
        If there are none, or a value is not a finite number.
    """
    read = _read(path)
    if "spatial" not in read.obsm:
        raise DataError(f"'{path}' has no obsm['spatial'], which must hold the centres of the spots in pixels.")
    try:
        centres: Float = np.asarray(read.obsm["spatial"], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"'{path}': obsm['spatial'] holds no numbers ({error}).") from error
    if centres.ndim != 2 or centres.shape[1] != 2 or not np.isfinite(centres).all():
        raise DataError(f"'{path}': obsm['spatial'] must be ({read.n_obs}, 2) finite pixels, found {centres.shape}.")
    return centres


def filter_genes(path: Path, vocabulary: tuple[str, ...], out: Path, /, *, missing: Missing = "error") -> Filtered:
    """Write the same spots with the genes of the vocabulary, in its order; ``obs`` and ``obsm`` are kept.

    Raises
    ------
    DataError
        If the file cannot be read, or a gene is missing and ``missing`` is ``"error"``.
    """
    read = _read(path)
    counts = _counts(read, path)
    selection = find_columns(counts.genes, vocabulary, missing=missing)
    chosen = anndata.AnnData(
        X=select_genes(counts.values, selection),
        obs=read.obs,
        var=pd.DataFrame(index=list(vocabulary)),
        obsm=dict(read.obsm),
    )
    with replaced_file(out) as new:
        _write(new, chosen)
    is_raw = bool((counts.values.data == np.rint(counts.values.data)).all())
    return Filtered(path=out, n_genes=len(vocabulary), missing=selection.missing, is_raw=is_raw)


def filtered_path(path: Path, /) -> Path:
    """Return the file that filtering makes of ``x.h5ad``: ``x_filt.h5ad`` in the same folder."""
    return path.with_name(f"{path.name.removesuffix('.h5ad')}_filt.h5ad")


def _write(path: Path, table: anndata.AnnData) -> None:
    table.strings_to_categoricals()
    with new_hdf5(path) as file:
        anndata.io.write_elem(file, "/", table)


def _read(path: Path) -> anndata.AnnData:
    if not path.is_file():
        raise DataError(f"file '{path}' does not exist.")
    try:
        return anndata.io.read_h5ad(path)
    except _READ_ERRORS as error:
        raise DataError(f"'{path}' is not a readable AnnData file ({' '.join(str(error).split())}).") from error


def _counts(read: anndata.AnnData, path: Path) -> GeneCounts:
    if read.X is None:
        raise DataError(f"'{path}' has no counts (X is empty).")
    if read.X.dtype.kind not in "iuf":
        raise DataError(f"'{path}' has no counts: X is of type {read.X.dtype}.")
    if not read.n_obs or not read.n_vars:
        raise DataError(f"'{path}' has {read.n_obs} spots and {read.n_vars} genes; both are needed.")
    if not read.obs_names.is_unique:
        raise DataError(f"'{path}': spot {read.obs_names[read.obs_names.duplicated()][0]!r} repeats.")
    values = sparse.csr_matrix(read.X, dtype=np.float32)
    if not np.isfinite(values.data).all() or (values.data < 0).any():
        raise DataError(f"'{path}' holds counts that are negative or not finite.")
    return GeneCounts(
        barcodes=tuple(map(str, read.obs_names)), genes=unique_names(list(map(str, read.var_names))), values=values
    )
