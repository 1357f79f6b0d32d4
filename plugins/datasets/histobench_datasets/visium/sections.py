"""One section as Space Ranger wrote it: its folder, its technology, its scale and its spots.

Microns per pixel of standard Visium are derived from the lattice, where spots are 100 µm apart, and not from
``spot_diameter_fullres``. In one public data set the latter is the documented 65 µm; in another, from CytAssist, it is
70 µm by its own lattice. Visium HD states microns per pixel.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from histobench import DataError, Float, Int
from histobench_datasets.lattice import lattice_pitch
from histobench_datasets.visium.gene_counts import GeneCounts
from histobench_datasets.visium.space_ranger import MATRIX, read_positions, read_scale_factors
from histobench_datasets.visium.spots import SpotRules, read_pseudo_spots, read_spots, spot_mpp

__all__ = ["Measured", "Technology", "find_outs", "list_files", "read_measured", "read_mpp", "read_technology"]

Technology = Literal["visium", "visium-hd"]
"""How a section was measured; the value is the name of the dataset that reads it."""

_BINS = tuple(f"square_{microns:03d}um" for microns in (2, 8, 16))
_INSIDE = ("", *_BINS, *(f"binned_outputs/{bins}" for bins in _BINS))
_HOMES = tuple(f"{outs}{inside}" for inside in _INSIDE for outs in ("", "outs/"))
_COLUMN_UM, _ROW_UM = 50.0, 50.0 * np.sqrt(3)  # spots are 100 µm apart, on every second place of the hexagonal array
_SPOT_UM = 55.0  # a pseudo-spot is as wide as the odd number of bins that comes nearest to this
_Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The spots of a section that have counts.

    Attributes
    ----------
    xy_px
        (n, 2) centres in pixels of the full-resolution image, x first.
    array
        (n, 2) integer places on the capture array, column first; for pseudo-spots, on the lattice of pseudo-spots.
    counts
        Of the same spots, without genes that are zero at all of them: the platform reads a gene without counts as zero.
    n_empty
        Number of spots without any molecule, which were dropped.
    n_genes
        Number of genes that were measured.
    """

    xy_px: Float
    array: Int
    counts: GeneCounts
    n_empty: int
    n_genes: int


def find_outs(folder: Path, /) -> Path | None:
    """Return the folder with the matrix: this one, its ``outs``, or the finest bins of Visium HD; ``None`` if none."""
    return next((folder / home for home in _HOMES if _is_file(folder / home / MATRIX)), None)


def list_files(outs: Path, /) -> list[Path]:
    """List the files that determine a section's spots, their places and counts."""
    spatial = outs / "spatial"
    found = [outs / MATRIX, *sorted(spatial.glob("tissue_positions*")), spatial / "scalefactors_json.json"]
    return [path for path in found if _is_file(path)]


def read_technology(outs: Path, /) -> Technology:
    """Return the technology of a section: the scale factors of Visium HD state the size of a bin.

    Raises
    ------
    DataError
        If there are no scale factors, or they are damaged.
    """
    return "visium" if read_scale_factors(outs / "spatial").bin_um is None else "visium-hd"


def read_mpp(outs: Path, technology: Technology, /) -> float:
    """Return microns per pixel of the full-resolution image.

    Raises
    ------
    DataError
        If the file that they are read from is missing or damaged, or the spots under tissue are on one line.
    """
    return _mpp(outs, technology, _stamps(outs))


def read_measured(outs: Path, technology: Technology, /) -> Measured:
    """Read the spots or pseudo-spots with counts.

    Pseudo-spots do not share bins, because molecules that are held out of one must not be given in another.

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
        raise DataError(f"'{spatial}': no spot is under tissue (column 'in_tissue' is never 1).")
    return float(np.sqrt(_COLUMN_UM * _ROW_UM)) / lattice_pitch(positions.array, positions.xy_px, spatial)


@lru_cache(maxsize=8)  # the counts of a section of 4,000 spots take about 150 MB in this form
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
        raise DataError(
            f"'{outs / MATRIX}' holds numbers that are not whole: raw counts are needed, not normalised ones."
        )
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
    except OSError:  # in a folder without read permission
        return False


def _bins_per_spot(outs: Path) -> int:
    """Return how many bins wide a pseudo-spot is: 27 of 2 µm, 7 of 8 µm, 3 of 16 µm."""
    return 2 * round((_SPOT_UM / _bin_um(outs) - 1) / 2) + 1


def _bin_um(outs: Path) -> float:
    bin_um = read_scale_factors(outs / "spatial").bin_um
    if bin_um is None:
        raise DataError(f"'{outs}': the scale factors have no 'bin_size_um': is it a folder of Visium HD bins?")
    return bin_um


def _stamps(outs: Path) -> _Stamp:
    """Return size and modification time of the files, so that cached contents are used only while they are current."""
    states = ((path.name, path.stat()) for path in list_files(outs))
    return tuple((name, state.st_size, state.st_mtime_ns) for name, state in states)
