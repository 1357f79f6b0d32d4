"""Space Ranger's output: the count matrix, the positions of the spots, and the scale of the image.

The files are ``filtered_feature_bc_matrix.h5`` in the format of 10x Genomics; ``spatial/tissue_positions`` as parquet
(Visium HD), as CSV with a header (Space Ranger 2 and later) or without (earlier); ``spatial/scalefactors_json.json``.
"""

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from histobench import ConfigError, DataError, Float, Int
from histobench_datasets.visium.gene_counts import GeneCounts, unique_names

__all__ = ["Positions", "ScaleFactors", "input_files", "read_matrix", "read_positions", "read_scale_factors"]

MATRIX = "filtered_feature_bc_matrix.h5"
"""The counts of the spots (or bins) that Space Ranger found under tissue."""

_COLUMNS = ("barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres")
_POSITIONS = ("tissue_positions.parquet", "tissue_positions.csv", "tissue_positions_list.csv")
_MOST_PLACES = 100_000  # along a side of the array; a capture area of 6.5 mm has 3,350 bins of 2 µm
_SCALES = "scalefactors_json.json"
_HDF5_ERRORS = (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError)  # what h5py raises for damage


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """Places of spots or bins (n, 2) on the array (row, column), and their centres (n, 2) in pixels, x first."""

    barcodes: tuple[str, ...]
    array: Int
    xy_px: Float

    def of(self, barcodes: Sequence[str]) -> "Positions":
        """Return the positions of these spots, in this order.

        Raises
        ------
        DataError
            If a spot has no position.
        """
        rows = pd.Index(self.barcodes).get_indexer(pd.Index(barcodes))
        if (rows < 0).any():
            first = barcodes[int((rows < 0).argmax())]
            raise DataError(
                f"{int((rows < 0).sum())} of the matrix's {len(barcodes)} spots have no position under tissue, "
                f"for example {first!r}: use matrix and positions of the same run of Space Ranger."
            )
        return Positions(barcodes=tuple(barcodes), array=self.array[rows], xy_px=self.xy_px[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleFactors:
    """What Space Ranger states about the full-resolution image; ``None`` for missing values."""

    spot_diameter_px: float | None
    bin_um: float | None
    mpp: float | None
    hires: float | None = None  # pixels of tissue_hires_image.png per full-resolution pixel


def input_files(folder: Path, /) -> list[Path]:
    """List the files that are read from a folder, whether they exist or not."""
    return [folder / MATRIX, *(folder / "spatial" / name for name in (*_POSITIONS, _SCALES))]


def read_matrix(path: Path, /) -> GeneCounts:
    """Read raw counts; gene names are made unique, features other than genes are left out.

    Raises
    ------
    DataError
        If the file is missing, damaged, or not a matrix of 10x Genomics.
    """
    if not path.is_file():
        raise DataError(f"matrix '{path}' does not exist: name the folder that Space Ranger wrote.")
    try:
        with h5py.File(path) as file:
            group = file["matrix"]
            parts = [group[name][:] for name in ("data", "indices", "indptr")]
            n_genes, n_spots = (int(n) for n in group["shape"][:])
            barcodes = tuple(name.decode() for name in group["barcodes"][:])
            genes = [name.decode() for name in group["features/name"][:]]
            kinds = np.array([kind.decode() for kind in group["features/feature_type"][:]])
        if parts[0].dtype.kind not in "iuf":
            raise ValueError(f"counts are {parts[0].dtype}")
        # genes x barcodes by columns is barcodes x genes by rows
        values = sparse.csr_matrix((parts[0].astype(np.float32), *parts[1:]), shape=(n_spots, n_genes))
        values.check_format()
        if len(barcodes) != n_spots or len(genes) != n_genes or len(kinds) != n_genes:
            raise ValueError(
                f"{n_spots} x {n_genes} counts for {len(barcodes)} spots, {len(genes)} names and {len(kinds)} types"
            )
    except _HDF5_ERRORS as error:
        raise DataError(f"'{path}' is not a readable 10x matrix ({error}): fetch it again.") from error
    if not np.isfinite(values.data).all() or (values.data < 0).any():
        raise DataError(f"'{path}' holds counts that are negative or not finite: fetch it again.")
    kept = np.flatnonzero(kinds == "Gene Expression")
    if not n_spots or not len(kept):
        raise DataError(f"'{path}' has {n_spots} spots and {len(kept)} genes ('Gene Expression'); both are needed.")
    repeated = pd.Index(barcodes).duplicated()
    if repeated.any():
        raise DataError(f"'{path}': barcode {barcodes[int(repeated.argmax())]!r} repeats.")
    return GeneCounts(barcodes=barcodes, genes=unique_names([genes[i] for i in kept]), values=values[:, kept])


def read_positions(folder: Path, /) -> Positions:
    """Read the spots or bins under tissue from a ``spatial`` folder of any version of Space Ranger.

    Raises
    ------
    DataError
        If there is no file of positions, a column is missing, a value is not a number, or a barcode repeats.
    """
    path = next((folder / name for name in _POSITIONS if (folder / name).is_file()), None)
    if path is None:
        raise DataError(f"'{folder}' has none of {', '.join(_POSITIONS)}: name the folder that Space Ranger wrote.")
    frame = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    missing = [name for name in _COLUMNS if name not in frame.columns]
    if missing:
        raise DataError(f"'{path}' has no column {missing[0]!r}; found {', '.join(map(str, frame.columns))}.")
    numbers = {name: _numbers(frame[name], path) for name in _COLUMNS[1:]}
    if frame["barcode"].duplicated().any():
        raise DataError(f"'{path}': barcode {frame.loc[frame['barcode'].duplicated(), 'barcode'].iloc[0]!r} repeats.")
    kept = numbers["in_tissue"] == 1
    array = np.column_stack([numbers["array_row"], numbers["array_col"]])
    if (np.abs(array) > _MOST_PLACES).any() or (array != np.rint(array)).any():
        raise DataError(f"'{path}': 'array_row' and 'array_col' must be whole numbers up to {_MOST_PLACES}.")
    return Positions(
        barcodes=tuple(frame["barcode"][kept]),
        array=array[kept].astype(np.int64),
        xy_px=np.column_stack([numbers["pxl_col_in_fullres"], numbers["pxl_row_in_fullres"]])[kept],
    )


def read_scale_factors(folder: Path, /) -> ScaleFactors:
    """Read ``scalefactors_json.json`` of a ``spatial`` folder.

    Raises
    ------
    DataError
        If the file is missing or not JSON, or a factor is not a positive number.
    """
    path = folder / _SCALES
    try:
        read = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise DataError(f"'{path}' does not exist: name the folder that Space Ranger wrote.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"'{path}' is not JSON ({error}): fetch it again.") from error
    if not isinstance(read, dict):
        raise DataError(f"'{path}' must hold an object of factors, found {type(read).__name__}.")

    def factor(name: str) -> float | None:
        value = read.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= sys.float_info.max:
            raise DataError(f"'{path}': {name!r} must be a positive number, found {value!r}.")
        return float(value)

    return ScaleFactors(
        spot_diameter_px=factor("spot_diameter_fullres"),
        bin_um=factor("bin_size_um"),
        mpp=factor("microns_per_pixel"),
        hires=factor("tissue_hires_scalef"),
    )


def _read_csv(path: Path) -> pd.DataFrame:
    """Read the CSV of any version: before Space Ranger 2 it has no header, whatever its name."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheet programs write a byte order mark
            first = next(csv.reader(file), [])
        has_header = "barcode" in first
        if not has_header and len(first) != len(_COLUMNS):
            raise DataError(
                f"'{path}' must have the columns {', '.join(_COLUMNS)}; its first line has {len(first)} fields."
            )
        names = None if has_header else list(_COLUMNS)
        return pd.read_csv(path, names=names, header=0 if has_header else None, dtype=str, na_filter=False)
    except (OSError, UnicodeDecodeError, csv.Error, pd.errors.ParserError) as error:
        raise DataError(f"'{path}' is not a comma-separated table: {str(error).strip()}.") from error


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise ConfigError(f"'{path}' needs pyarrow: pip install 'histobench[prepare]'.") from error
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise DataError(f"'{path}' is not a readable parquet file ({error}): fetch it again.") from error


def _numbers(column: "pd.Series[str]", path: Path) -> Float:
    values: Float = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    broken = ~np.isfinite(values)
    if broken.any():
        row = int(broken.argmax())
        raise DataError(f"'{path}', spot {row}: {column.name!r} is not a finite number: {column.iloc[row]!r}.")
    return values
