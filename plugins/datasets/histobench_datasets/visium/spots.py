"""Spots, pseudo-spots or places around which patches are cut, and the counts that belong to them."""

from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from histobench import DataError, Float, Int
from histobench.files import new_hdf5
from histobench_datasets.visium.gene_counts import GeneCounts
from histobench_datasets.visium.pseudo_spots import find_pseudo_spots, sum_counts, window_bins
from histobench_datasets.visium.space_ranger import (
    MATRIX,
    ScaleFactors,
    read_matrix,
    read_positions,
    read_scale_factors,
)

__all__ = ["SpotRules", "Spots", "read_coordinates", "read_pseudo_spots", "read_spots", "spot_mpp", "write_coordinates"]

SPACE_RANGERS_SPOT_UM = 65.0
"""The ``spot_diameter_fullres`` in microns, as 10x Genomics documents it; the published preprocessing used 55."""

_HDF5_ERRORS = (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotRules:
    """How spots are derived from Space Ranger's output; defaults are published ones, except the spot diameter."""

    patch_um: float = 55.0
    stride: int = 5
    min_coverage: float = 1.0
    spot_diameter_um: float = SPACE_RANGERS_SPOT_UM


@dataclass(frozen=True, slots=True, kw_only=True)
class Spots:
    """Named places.

    Parameters
    ----------
    xy_px
        (n, 2) in full-resolution pixels, x first: centres, or the first corners of the patches if ``are_corners``.
    counts
        Of the same spots in the same order; ``None`` if only places are known.
    members
        n tuples of the barcodes that each pseudo-spot adds up; ``None`` for spots.
    array
        (n, 2) places on the capture array, row first; ``None`` if only places in the image are known.
    """

    barcodes: tuple[str, ...]
    xy_px: Float
    are_corners: bool = False
    counts: GeneCounts | None = None
    members: tuple[tuple[str, ...], ...] | None = None
    array: Int | None = None

    def rows(self, chosen: Int) -> "Spots":
        """Return (m,) spots, in the order given."""
        return replace(
            self,
            barcodes=tuple(self.barcodes[row] for row in chosen),
            xy_px=self.xy_px[chosen],
            counts=None if self.counts is None else self.counts.rows(chosen),
            members=None if self.members is None else tuple(self.members[row] for row in chosen),
            array=None if self.array is None else self.array[chosen],
        )


def spot_mpp(scales: ScaleFactors, *, is_hd: bool, spot_diameter_um: float = SPACE_RANGERS_SPOT_UM) -> float:
    """Return the microns per pixel that Space Ranger's scale factors imply.

    Raises
    ------
    DataError
        If the factor that it is derived from is missing.
    """
    if is_hd:
        if scales.mpp is None:
            raise DataError("the scale factors have no 'microns_per_pixel': is it a folder of Visium HD bins?")
        return scales.mpp
    if scales.spot_diameter_px is None:
        raise DataError("the scale factors have no 'spot_diameter_fullres': if it is Visium HD, add --is-hd.")
    return spot_diameter_um / scales.spot_diameter_px


def read_spots(folder: Path, /) -> Spots:
    """Read standard Visium: every barcode of the filtered matrix, in the matrix's order.

    Raises
    ------
    DataError
        If a file is missing or damaged, or a barcode has no position.
    """
    counts = read_matrix(folder / MATRIX)
    positions = read_positions(folder / "spatial").of(counts.barcodes)
    return Spots(barcodes=counts.barcodes, xy_px=positions.xy_px, counts=counts, array=positions.array)


def read_pseudo_spots(folder: Path, rules: SpotRules, /, *, with_members: bool = False) -> Spots:
    """Read Visium HD and add its bins up to pseudo-spots, with the name and place of their middle bin.

    Raises
    ------
    DataError
        If a file is missing or damaged, bins and barcodes differ, or no window is covered by tissue.
    """
    counts = read_matrix(folder / MATRIX)
    under_tissue = read_positions(folder / "spatial")
    if len(under_tissue.barcodes) != len(counts.barcodes):
        raise DataError(
            f"'{folder}': {len(under_tissue.barcodes)} bins are under tissue, but the matrix has "
            f"{len(counts.barcodes)}: use matrix and positions of the same run of Space Ranger."
        )
    positions = under_tissue.of(counts.barcodes)
    bin_um = read_scale_factors(folder / "spatial").bin_um
    if bin_um is None:
        raise DataError(f"'{folder}': the scale factors have no 'bin_size_um': is it a folder of Visium HD bins?")
    k = window_bins(rules.patch_um, bin_um)
    found = find_pseudo_spots(positions, k, stride=rules.stride, min_coverage=rules.min_coverage)
    summed = sum_counts(counts, found)
    names = np.array([*counts.barcodes, ""], dtype=object)  # the last is for bins that do not exist
    members = tuple(tuple(row) for row in names[found.bins]) if with_members else None
    xy_px, array = positions.xy_px[found.centre], positions.array[found.centre]
    return Spots(barcodes=summed.barcodes, xy_px=xy_px, counts=summed, members=members, array=array)


def read_coordinates(path: Path, /) -> Spots:
    """Read places from an HDF5 file: ``xy`` (n, 2), the first corners of the patches, and ``barcode``.

    Raises
    ------
    DataError
        If the file is missing, damaged or not a file of coordinates.
    """
    if not path.is_file():
        raise DataError(f"file '{path}' does not exist.")
    try:
        with h5py.File(path) as file:
            xy_px = np.asarray(file["xy"][:], dtype=np.float64)
            barcodes = tuple(name.decode() for name in file["barcode"][:])
    except _HDF5_ERRORS as error:
        raise DataError(f"'{path}' is not a readable file of coordinates ({error}).") from error
    if xy_px.shape != (len(barcodes), 2) or not np.isfinite(xy_px).all():
        raise DataError(f"'{path}': 'xy' must be ({len(barcodes)}, 2) finite pixels, found {xy_px.shape}.")
    return Spots(barcodes=barcodes, xy_px=xy_px, are_corners=True)


def write_coordinates(path: Path, spots: Spots, corners: Int, /) -> None:
    """Write places without pixels: ``xy`` (n, 2) corners, ``barcode`` and, for pseudo-spots, ``bins`` (n, k²)."""
    text = h5py.string_dtype("utf-8")
    with new_hdf5(path) as file:
        file["xy"] = corners
        file.create_dataset("barcode", data=list(spots.barcodes), dtype=text)
        if spots.members is not None:
            file.create_dataset("bins", data=[list(row) for row in spots.members], dtype=text)
