"""Pseudo-spots of Visium HD: square windows of bins, as large as a Visium spot.

Windows run from the last row of the lattice to its first and from left to right, ``stride`` bins apart, and may
overlap. Whether a window's bins exist is told from two-dimensional prefix sums, in time linear in the lattice.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from histobench import ConfigError, DataError, Float, Int
from histobench_datasets.visium.gene_counts import GeneCounts
from histobench_datasets.visium.space_ranger import Positions

__all__ = ["PseudoSpots", "find_pseudo_spots", "sum_counts", "window_bins"]

_ROUNDING = 1e-9  # 0.3 / 0.1 is three
_MOST_BINS = 10_000  # along a side; a capture area of 11 mm has 5,500 of 2 µm
_MOST_PLACES = 200_000_000  # of a lattice; the largest capture area has 30 million
_ROWS_AT_ONCE = 4096  # of 27 x 27 ones each: 36 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudoSpots:
    """Windows of bins.

    Parameters
    ----------
    bins
        (n, k²) rows of the positions: each window's bins by descending row, then ascending column; -1 where one does
        not exist.
    """

    bins: Int

    @property
    def centre(self) -> Int:
        """(n,) the bin in the middle, which names the pseudo-spot and places its patch."""
        middle: Int = self.bins[:, self.bins.shape[1] // 2]
        return middle


def window_bins(patch_um: float, bin_um: float) -> int:
    """Say how many bins a window is wide: as many as fit into the patch.

    Raises
    ------
    ConfigError
        If that is even, for a window then has no bin in its middle, or absurd.
    """
    spans = patch_um / bin_um
    if not spans <= _MOST_BINS:
        raise ConfigError(f"a patch of {patch_um:g} µm would span {spans:.3g} bins of {bin_um:g} µm; check both.")
    k = int(spans + _ROUNDING)
    if k % 2 == 0:
        raise ConfigError(
            f"a patch of {patch_um:g} µm spans {k} bins of {bin_um:g} µm, which must be odd: "
            f"take --patch-sz-um {(k + 1) * bin_um:g}."
        )
    return k


def find_pseudo_spots(positions: Positions, k: int, /, *, stride: int = 5, min_coverage: float = 1.0) -> PseudoSpots:
    """Find the windows of k × k bins that lie under tissue.

    Parameters
    ----------
    positions
        Of the bins under tissue; the lattice may begin anywhere.
    stride
        Bins from one window to the next.
    min_coverage
        Share of a window's bins that must exist; its middle one must in any case, since it names the pseudo-spot.

    Raises
    ------
    DataError
        If two bins share a place, they lie too far apart, or no window is covered.
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
            f"{rows} x {columns} with {len(positions.barcodes)} bins: take smaller patches or a lower coverage."
        )
    across = np.arange(k)
    bins = grid[(row[kept, None] - across)[:, :, None], (column[kept, None] + across)[:, None, :]]
    return PseudoSpots(bins=bins.reshape(len(bins), k * k))


def sum_counts(counts: GeneCounts, spots: PseudoSpots, /) -> GeneCounts:
    """Add up the raw counts of each window's bins.

    Parameters
    ----------
    counts
        One row a bin, in the order of the positions that the windows were found in.
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
    """Lay bins (n, 2) out as a (rows, columns) map of their numbers, -1 where there is none; it begins at 0, 0."""
    if not len(array):
        raise DataError("no bin lies under tissue (column 'in_tissue' is never 1).")
    places = array - array.min(axis=0)
    shape = places.max(axis=0) + 1
    if shape.prod() > _MOST_PLACES:
        raise DataError(
            f"{len(array)} bins lie scattered over a lattice of {shape[0]} x {shape[1]}: columns 'array_row' and "
            "'array_col' cannot be right."
        )
    grid = np.full(shape, -1, dtype=np.int32)
    grid[places[:, 0], places[:, 1]] = np.arange(len(array))
    if (grid >= 0).sum() != len(array):
        raise DataError("two bins share a place on the array (columns 'array_row' and 'array_col').")
    return grid
