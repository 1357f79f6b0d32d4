"""Pseudo-spots of Visium HD: square windows of bins, as large as a Visium spot.

Windows go from the last row of the lattice to the first and from left to right, ``stride`` bins apart, and may overlap.
The existing bins of each window are counted with two-dimensional prefix sums, in time linear in the lattice.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from histobench import ConfigError, DataError, Float, Int
from histobench_datasets.visium.gene_counts import GeneCounts
from histobench_datasets.visium.space_ranger import Positions

__all__ = ["PseudoSpots", "find_pseudo_spots", "sum_counts", "window_bins"]

_ROUNDING = 1e-9  # so that 0.3 / 0.1 counts as three
_MOST_BINS = 10_000  # along a side; a capture area of 11 mm has 5,500 of 2 µm
_MOST_PLACES = 200_000_000  # of a lattice; the largest capture area has 30 million
_ROWS_AT_ONCE = 4096  # of 27 x 27 bins each: 36 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudoSpots:
    """Windows of bins.

    Parameters
    ----------
    bins
        (n, k²) indices into the positions: the bins of each window by descending row, then ascending column; -1 for a
        bin that does not exist.
    """

    bins: Int

    @property
    def centre(self) -> Int:
        """(n,) the middle bin, which gives the pseudo-spot its name and its patch its place."""
        middle: Int = self.bins[:, self.bins.shape[1] // 2]
        return middle


def window_bins(patch_um: float, bin_um: float) -> int:
    """Return how many bins wide a window is: as many as fit into the patch.

    Raises
    ------
    ConfigError
        If the number is even, because the window then has no middle bin, or implausibly large.
    """
    spans = patch_um / bin_um
    if not spans <= _MOST_BINS:
        raise ConfigError(f"a patch of {patch_um:g} µm would span {spans:.3g} bins of {bin_um:g} µm; check both.")
    k = int(spans + _ROUNDING)
    if k % 2 == 0:
        raise ConfigError(
            f"a patch of {patch_um:g} µm spans {k} bins of {bin_um:g} µm, which must be odd: "
            f"use --patch-sz-um {(k + 1) * bin_um:g}."
        )
    return k


def find_pseudo_spots(positions: Positions, k: int, /, *, stride: int = 5, min_coverage: float = 1.0) -> PseudoSpots:
    """Find the windows of k × k bins that are under tissue.

    Parameters
    ----------
    positions
        Of the bins under tissue; the lattice may begin anywhere.
    stride
        Bins from one window to the next.
    min_coverage
        Share of a window's bins that must exist. The middle bin must always exist, because it names the pseudo-spot.

    Raises
    ------
    DataError
        If two bins share a place, the bins are too far apart, or no window is covered.
    """
    grid = _grid(positions.array)
    rows, columns = grid.shape
    last_rows = np.arange(rows - 1, k - 2, -stride)
    first_columns = np.arange(0, columns - k + 1, stride)
    row, column = (axis.ravel() for axis in np.meshgrid(last_rows, first_columns, indexing="ij"))
    sums = np.pad(np.cumsum(np.cumsum(grid >= 0, axis=0), axis=1), ((1, 0), (1, 0)))
    top, right = row - k + 1, column + k
    covered = sums[row + 1, right] - sums[top, right] - sums[row + 1, column] + sums[top, column]
    kept = (covered >= min_coverage * k * k) & (grid[row - k // 2, column + k // 2] >= 0)
    if not kept.any():
        raise DataError(
            f"no window of {k} x {k} bins is covered by tissue to {min_coverage:.0%}, in a lattice of "
            f"{rows} x {columns} with {len(positions.barcodes)} bins: use smaller patches or a lower coverage."
        )
    across = np.arange(k)
    bins = grid[(row[kept, None] - across)[:, :, None], (column[kept, None] + across)[:, None, :]]
    return PseudoSpots(bins=bins.reshape(len(bins), k * k))


def sum_counts(counts: GeneCounts, spots: PseudoSpots, /) -> GeneCounts:
    """Add up the raw counts of each window's bins.

    Parameters
    ----------
    counts
        One row per bin, in the order of the positions in which the windows were found.
    """
    blocks = []
    for start in range(0, len(spots.bins), _ROWS_AT_ONCE):
        bins = spots.bins[start : start + _ROWS_AT_ONCE]
        exists = bins >= 0
        ends = np.concatenate([[0], np.cumsum(exists.sum(axis=1))])
        ones: Float = np.ones(int(ends[-1]), dtype=np.float32)
        members = sparse.csr_matrix((ones, bins[exists], ends), shape=(len(bins), len(counts.barcodes)))
        blocks.append(members @ counts.values)
    values = sparse.vstack(blocks, format="csr", dtype=np.float32)
    values.sort_indices()
    names = tuple(counts.barcodes[bin_] for bin_ in spots.centre)
    return GeneCounts(barcodes=names, genes=counts.genes, values=values)


def _grid(array: Int) -> Int:
    """Return the number of the bin at each place of the lattice (rows, columns), which begins at 0, 0; -1 if none."""
    if not len(array):
        raise DataError("no bin is under tissue (column 'in_tissue' is never 1).")
    places = array - array.min(axis=0)
    shape = places.max(axis=0) + 1
    if shape.prod() > _MOST_PLACES:
        raise DataError(
            f"{len(array)} bins are scattered over a lattice of {shape[0]} x {shape[1]}: columns 'array_row' and "
            "'array_col' cannot be right."
        )
    grid = np.full(shape, -1, dtype=np.int32)
    grid[places[:, 0], places[:, 1]] = np.arange(len(array))
    if (grid >= 0).sum() != len(array):
        raise DataError("two bins share a place on the array (columns 'array_row' and 'array_col').")
    return grid
