"""Space Ranger's files: three ages of positions, the matrix of 10x Genomics, and what damage is told of."""

import numpy as np
import pytest
from anndata.utils import make_index_unique
from pandas import Index

from histobench import DataError
from histobench_datasets.visium.gene_counts import unique_names
from histobench_datasets.visium.space_ranger import read_matrix, read_positions, read_scale_factors
from histobench_datasets.visium.spots import read_spots, spot_mpp

MATRIX = "filtered_feature_bc_matrix.h5"


def test_matrix_is_read_by_spot_without_antibodies(visium):
    counts = read_matrix(visium.folder / MATRIX)
    assert counts.barcodes == tuple(visium.barcodes)
    np.testing.assert_array_equal(counts.values.toarray(), visium.counts)


def test_repeated_symbols_are_told_apart(visium):
    assert read_matrix(visium.folder / MATRIX).genes[-1] == "Gene7-1"


def test_names_are_made_unique_as_anndata_does():
    names = ["a", "b", "a", "a-1", "a", "b", "c", "a-2"]
    with pytest.warns(UserWarning, match="Suffix used"):  # it warns that a-1 is taken
        expected = make_index_unique(Index(names))
    assert unique_names(names) == tuple(expected)


@pytest.mark.parametrize("how", ["csv", "list", "parquet"])
def test_positions_of_every_version_are_the_same(visium, rewrite_positions, how):
    rewrite_positions(visium.spatial, visium.frame, how)
    positions = read_positions(visium.spatial).of(visium.barcodes)
    np.testing.assert_array_equal(positions.xy_px, visium.centres)


def test_header_is_found_whatever_the_file_is_called(visium):
    new = visium.spatial / "tissue_positions.csv"
    new.rename(visium.spatial / "tissue_positions_list.csv")
    assert len(read_positions(visium.spatial).barcodes) == 40


def test_spots_keep_the_order_of_the_matrix(visium):
    spots = read_spots(visium.folder)
    assert spots.barcodes == tuple(visium.barcodes) != tuple(sorted(visium.barcodes))
    np.testing.assert_array_equal(spots.xy_px, visium.centres)


def test_spots_off_tissue_are_left_out(visium):
    assert "OFF-1" not in read_positions(visium.spatial).barcodes


@pytest.mark.parametrize(("diameter_um", "mpp"), [(65.0, 0.5), (55.0, 55 / 130)], ids=["documented", "published"])
def test_microns_per_pixel_follow_from_the_spot(visium, diameter_um, mpp):
    scales = read_scale_factors(visium.spatial)
    assert spot_mpp(scales, is_hd=False, spot_diameter_um=diameter_um) == pytest.approx(mpp)


def test_microns_per_pixel_of_hd_are_given(hd):
    assert spot_mpp(read_scale_factors(hd.spatial), is_hd=True) == 0.5


# Damage


@pytest.mark.parametrize(
    ("is_hd", "message"), [(True, "no 'microns_per_pixel': is it"), (False, "no 'spot_diameter_fullres': if it is")]
)
def test_missing_factor_is_told(visium, is_hd, message):
    visium.write_scales(bin_size_um=2.0)
    with pytest.raises(DataError, match=message):
        spot_mpp(read_scale_factors(visium.spatial), is_hd=is_hd)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "must hold an object"),
        ('{"spot_diameter_fullres": -3}', "positive number, found -3"),
    ],
)
def test_damaged_factors_are_told(visium, text, message):
    (visium.spatial / "scalefactors_json.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_scale_factors(visium.spatial)


def test_missing_factors_are_told(tmp_path):
    with pytest.raises(DataError, match=r"scalefactors_json.json' does not exist"):
        read_scale_factors(tmp_path)


def test_truncated_matrix_is_told(visium):
    path = visium.folder / MATRIX
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"is not a readable 10x matrix .*: fetch it again"):
        read_matrix(path)


def test_missing_matrix_is_told(tmp_path):
    with pytest.raises(DataError, match=r"matrix '.*' does not exist"):
        read_matrix(tmp_path / MATRIX)


def test_negative_counts_are_told(visium, rewrite_matrix):
    rewrite_matrix(visium.folder / MATRIX, visium.counts - 1, visium.barcodes, visium.genes)
    with pytest.raises(DataError, match="negative or not finite"):
        read_matrix(visium.folder / MATRIX)


def test_matrix_with_too_few_barcodes_is_told(visium, rewrite_matrix):
    rewrite_matrix(visium.folder / MATRIX, visium.counts, visium.barcodes[:-1], visium.genes)
    with pytest.raises(DataError, match="is not a readable 10x matrix"):
        read_matrix(visium.folder / MATRIX)


def test_missing_positions_are_told(tmp_path):
    with pytest.raises(DataError, match=r"has none of tissue_positions.parquet, tissue_positions.csv"):
        read_positions(tmp_path)


def test_missing_column_is_told(visium, rewrite_positions):
    rewrite_positions(visium.spatial, visium.frame.drop(columns="array_col"), "csv")
    with pytest.raises(DataError, match="has no column 'array_col'; found barcode, in_tissue"):
        read_positions(visium.spatial)


def test_headerless_table_of_another_width_is_told(visium, rewrite_positions):
    rewrite_positions(visium.spatial, visium.frame.drop(columns="array_col"), "list")
    with pytest.raises(DataError, match="its first line has 5 fields"):
        read_positions(visium.spatial)


def test_position_that_is_no_number_is_told(visium, rewrite_positions):
    frame = visium.frame.astype({"pxl_row_in_fullres": object})
    frame.iloc[3, 4] = "NA"
    rewrite_positions(visium.spatial, frame, "csv")
    with pytest.raises(DataError, match="spot 3: 'pxl_row_in_fullres' is not a finite number: 'NA'"):
        read_positions(visium.spatial)


def test_damaged_parquet_is_told(hd):
    (hd.spatial / "tissue_positions.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match="is not a readable parquet file"):
        read_positions(hd.spatial)


def test_repeated_barcode_is_told(visium, rewrite_positions):
    frame = visium.frame.copy()
    frame.iloc[2, 0] = frame.iloc[3, 0]
    rewrite_positions(visium.spatial, frame, "csv")
    with pytest.raises(DataError, match=r"barcode 'SPOT\d\d-1' repeats"):
        read_positions(visium.spatial)


def test_spot_without_position_is_told(visium, rewrite_positions):
    rewrite_positions(visium.spatial, visium.frame.iloc[:-2], "csv")
    with pytest.raises(DataError, match=r"2 of the matrix's 40 spots have no position under tissue, for example 'SPOT"):
        read_spots(visium.folder)
