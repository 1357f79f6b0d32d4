"""Pseudo-spots of Visium HD against sums by brute force, on a lattice that does not begin at zero."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from histobench import ConfigError, DataError
from histobench_datasets.visium.gene_counts import GeneCounts
from histobench_datasets.visium.pseudo_spots import find_pseudo_spots, sum_counts, window_bins
from histobench_datasets.visium.space_ranger import Positions
from histobench_datasets.visium.spots import SpotRules, read_pseudo_spots

K = 5


def lattice(rows: int, columns: int, missing: tuple[tuple[int, int], ...] = ()) -> Positions:
    """A full lattice from (7, 11) on, without some places counted from its corner."""
    places = np.array([place for place in np.ndindex(rows, columns) if place not in missing])
    return Positions(
        barcodes=tuple(f"{row}x{column}" for row, column in places),
        array=places + np.array([7, 11]),
        xy_px=places[:, ::-1] * 4.0,
    )


def brute_force(hd, stride: int) -> list[tuple[tuple[int, int], np.ndarray]]:
    """Windows that are complete, as (place of the middle, summed counts), from the last row up and left to right."""
    by_place = {tuple(place): row for row, place in enumerate(hd.places.tolist())}
    found = []
    for last in range(hd.shape[0] - 1, K - 2, -stride):
        for first in range(0, hd.shape[1] - K + 1, stride):
            places = [(row, column) for row in range(last - K + 1, last + 1) for column in range(first, first + K)]
            if all(place in by_place for place in places):
                rows = [by_place[place] for place in places]
                found.append(((last - K // 2, first + K // 2), hd.counts[rows].sum(axis=0)))
    return found


@pytest.mark.parametrize("stride", [1, 3, 5])
def test_sums_and_order_are_those_of_brute_force(hd, stride):
    spots = find_pseudo_spots(hd.positions, K, stride=stride)
    expected = brute_force(hd, stride)
    assert [tuple(place) for place in hd.places[spots.centre].tolist()] == [place for place, _ in expected]
    summed = sum_counts(hd.gene_counts, spots)
    np.testing.assert_array_equal(summed.values.toarray(), [counts for _, counts in expected])


def test_pseudo_spot_is_named_and_placed_by_its_middle_bin(hd):
    spots = read_pseudo_spots(hd.folder, SpotRules(patch_um=11.0), with_members=True)
    place = {name: row for row, name in enumerate(hd.barcodes)}
    members = np.array([[place[name] for name in row] for row in spots.members])
    np.testing.assert_allclose(hd.xy_px[members].mean(axis=1), spots.xy_px)
    assert [row[K * K // 2] for row in spots.members] == list(spots.barcodes)


def test_members_run_by_descending_row_then_ascending_column(hd):
    bins = find_pseudo_spots(hd.positions, K).bins[0]
    places = hd.places[bins]
    np.testing.assert_array_equal(places[:K, 0], places[0, 0])
    np.testing.assert_array_equal(np.diff(places[:K, 1]), 1)
    np.testing.assert_array_equal(np.diff(places[::K, 0]), -1)


@pytest.mark.reference
@pytest.mark.parametrize(("stride", "n"), [(1, 15), (5, 1)])
def test_number_of_windows_is_the_specifications(stride, n):
    assert len(find_pseudo_spots(lattice(31, 29), 27, stride=stride).bins) == n


@pytest.mark.reference
def test_missing_bin_in_the_middle_leaves_no_window():
    with pytest.raises(
        DataError, match=r"no window of 27 x 27 bins is covered by tissue to 100%, in a lattice of 31 x 29"
    ):
        find_pseudo_spots(lattice(31, 29, missing=((15, 14),)), 27, stride=1)


def test_lower_coverage_keeps_windows_at_the_border(hd):
    kept = find_pseudo_spots(hd.positions, K, stride=1, min_coverage=0.9)
    complete = find_pseudo_spots(hd.positions, K, stride=1)
    assert set(complete.centre) < set(kept.centre)
    assert (kept.bins >= 0).sum(axis=1).min() == 23
    assert (kept.centre >= 0).all()


def test_bins_that_do_not_exist_add_nothing():
    positions = lattice(5, 5, missing=((0, 0),))
    spots = find_pseudo_spots(positions, 5, min_coverage=0.9)
    ones = np.ones((24, 1), dtype=np.float32)
    counts = GeneCounts(barcodes=positions.barcodes, genes=("g",), values=sparse.csr_matrix(ones))
    assert sum_counts(counts, spots).values.toarray().tolist() == [[24.0]]


def test_windows_of_an_even_number_of_bins_are_refused():
    assert window_bins(55.0, 2.0) == 27
    with pytest.raises(ConfigError, match=r"spans 6 bins of 8 µm, which must be odd: use --patch-sz-um 56"):
        window_bins(55.0, 8.0)


def test_two_bins_at_one_place_are_refused(hd):
    array = hd.array.copy()
    array[3] = array[4]
    with pytest.raises(DataError, match="two bins share a place"):
        find_pseudo_spots(replace(hd.positions, array=array), K)


def test_bins_and_barcodes_must_be_as_many(hd, rewrite_matrix):
    path = hd.folder / "filtered_feature_bc_matrix.h5"
    rewrite_matrix(path, hd.counts[:-3], hd.barcodes[:-3], hd.genes)
    with pytest.raises(DataError, match=r"1797 bins are under tissue, but the matrix has 1794"):
        read_pseudo_spots(hd.folder, SpotRules(patch_um=11.0))


def test_folder_of_standard_visium_is_told(visium):
    with pytest.raises(DataError, match="have no 'bin_size_um': is it a folder of Visium HD bins"):
        read_pseudo_spots(visium.folder, SpotRules())
