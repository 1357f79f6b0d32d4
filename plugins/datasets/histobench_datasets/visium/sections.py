"""One section as Space Ranger left it: where its folder is, which of the two kinds, at what scale, and its spots.

Microns per pixel of standard Visium follow from the lattice, whose spots lie 100 µm apart, and not from
``spot_diameter_fullres``: of two folders on the web that were looked at, that spans the documented 65 µm in one, and in
the other, of CytAssist, 70 µm by its own lattice. Visium HD states them.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from histobench import DataError, Float, Int
from histobench_datasets.her2st.files import lattice_pitch
from histobench_datasets.visium.gene_counts import GeneCounts
from histobench_datasets.visium.space_ranger import MATRIX, read_positions, read_scale_factors
from histobench_datasets.visium.spots import SpotRules, read_pseudo_spots, read_spots, spot_mpp

__all__ = ["Measured", "Technology", "find_outs", "list_files", "read_measured", "tell_mpp", "tell_technology"]

Technology = Literal["visium", "visium-hd"]
"""Of a section, spelled as the dataset that reads it."""

_BINS = tuple(f"square_{microns:03d}um" for microns in (2, 8, 16))
_INSIDE = ("", *_BINS, *(f"binned_outputs/{bins}" for bins in _BINS))
_HOMES = tuple(f"{outs}{inside}" for inside in _INSIDE for outs in ("", "outs/"))
_COLUMN_UM, _ROW_UM = 50.0, 50.0 * np.sqrt(3)  # spots 100 µm apart, every second place of the array's hexagons
_SPOT_UM = 55.0  # a pseudo-spot is the odd number of bins that comes nearest to it
_Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The spots of a section that have counts.

    Attributes
    ----------
    xy_px
        (n, 2) centres in pixels of the full-resolution image, x first.
    array
        (n, 2) integer places on the capture array, column first; of pseudo-spots, places among them.
    counts
        Of the same spots, without the genes that none of them has: the platform reads such a gene as zero.
    n_empty
        Spots without a single molecule, which were dropped.
    n_genes
        How many were measured.
    """

    xy_px: Float
    array: Int
    counts: GeneCounts
    n_empty: int
    n_genes: int


def find_outs(folder: Path, /) -> Path | None:
    """Find the folder with the matrix: this one, ``outs`` in it, or the finest bins of Visium HD; ``None`` if none."""
    return next((folder / home for home in _HOMES if _is_file(folder / home / MATRIX)), None)


def list_files(outs: Path, /) -> list[Path]:
    """List the files that decide a section's spots, their places and counts."""
    spatial = outs / "spatial"
    found = [outs / MATRIX, *sorted(spatial.glob("tissue_positions*")), spatial / "scalefactors_json.json"]
    return [path for path in found if _is_file(path)]


def tell_technology(outs: Path, /) -> Technology:
    """Tell Visium HD, whose scale factors state the size of a bin, from Visium.

    Raises
    ------
    DataError
        If there are no scale factors, or they are damaged.
    """
    return "visium" if read_scale_factors(outs / "spatial").bin_um is None else "visium-hd"


def tell_mpp(outs: Path, technology: Technology, /) -> float:
    """Tell microns per pixel of the full-resolution image.

    Raises
    ------
    DataError
        If the file that says them is missing or damaged, or the spots under tissue lie on one line.
    """
    return _mpp(outs, technology, _stamps(outs))


def read_measured(outs: Path, technology: Technology, /) -> Measured:
    """Read the spots, or pseudo-spots that share no bin: molecules held out of one must not be shown in the next.

    Raises
    ------
    DataError
        If a file is missing or damaged, counts are not whole, two spots share a place, or no spot has counts.
    """
    return _measured(outs, technology, _stamps(outs))


@lru_cache(maxsize=1024)
def _mpp(outs: Path, technology: Technology, _state: _Stamp) -> float:
    spatial = outs / "spatial"
    if technology == "visium-hd":
        return spot_mpp(read_scale_factors(spatial), is_hd=True)
    positions = read_positions(spatial)
    if not positions.barcodes:
        raise DataError(f"'{spatial}': no spot lies under tissue (column 'in_tissue' is never 1).")
    return float(np.sqrt(_COLUMN_UM * _ROW_UM)) / lattice_pitch(positions.array, positions.xy_px, spatial)


@lru_cache(maxsize=8)  # the counts of a section of 4,000 spots take some 150 MB, as they are kept here
def _measured(outs: Path, technology: Technology, _state: _Stamp) -> Measured:
    if technology == "visium":
        spots, step = read_spots(outs), 1
    else:
        step = _bins_per_spot(outs)
        spots = read_pseudo_spots(outs, SpotRules(patch_um=step * _bin_um(outs), stride=step))
    if spots.counts is None or spots.array is None:  # the readers give both
        raise DataError(f"'{outs}' has no counts.")
    counts, array = spots.counts, spots.array[:, ::-1] // step
    if (counts.values.data % 1).any():
        raise DataError(f"'{outs / MATRIX}' holds numbers that are not whole: raw counts are expected, not normalised.")
    if len(np.unique(array, axis=0)) < len(array):
        raise DataError(f"'{outs / 'spatial'}': two spots share a place (columns 'array_row' and 'array_col').")
    kept = np.flatnonzero(np.asarray(counts.values.sum(axis=1)).ravel())
    if not len(kept):
        raise DataError(f"'{outs / MATRIX}' has no spot with counts.")
    seen = np.flatnonzero(np.asarray(counts.values.sum(axis=0)).ravel())
    return Measured(
        xy_px=spots.xy_px[kept],
        array=array[kept],
        counts=GeneCounts(
            barcodes=tuple(counts.barcodes[row] for row in kept),
            genes=tuple(counts.genes[column] for column in seen),
            values=counts.values[kept][:, seen],
        ),
        n_empty=len(counts.barcodes) - len(kept),
        n_genes=len(counts.genes),
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder that is not ours to look into
        return False


def _bins_per_spot(outs: Path) -> int:
    """Say how many bins a pseudo-spot is wide: 27 of 2 µm, 7 of 8 µm, 3 of 16 µm."""
    return 2 * round((_SPOT_UM / _bin_um(outs) - 1) / 2) + 1


def _bin_um(outs: Path) -> float:
    bin_um = read_scale_factors(outs / "spatial").bin_um
    if bin_um is None:
        raise DataError(f"'{outs}': the scale factors have no 'bin_size_um': is it a folder of Visium HD bins?")
    return bin_um


def _stamps(outs: Path) -> _Stamp:
    """Tell the files from their later versions, so that what was read of them may be kept."""
    states = ((path.name, path.stat()) for path in list_files(outs))
    return tuple((name, state.st_size, state.st_mtime_ns) for name, state in states)
