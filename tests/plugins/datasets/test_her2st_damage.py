"""Read a damaged her2st: one clear sentence that names file, line and spot."""

import gzip

import numpy as np
import pytest

from histobench import DataError
from histobench_datasets.her2st.dataset import Her2st

MINOR = "cell_abundance:minor"


# Counts


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ("-1", r"line 3: spot '3x3', gene 'CD3E' has a negative count, -1"),
        ("many", r"line 3, column 'CD3E': 'many' is not a finite number"),
        ("nan", r"line 3, column 'CD3E': 'nan' is not a finite number"),
        ("", r"line 3, column 'CD3E': '' is not a finite number"),
        ("inf", r"line 3, column 'CD3E': 'inf' is not a finite number"),
        ("1e39", r"line 3, column 'CD3E': '1e39' is not a finite number"),
        ("1\t1", r"line 3 has 5 values, the header names 4 columns"),
    ],
)
def test_bad_counts_are_named_by_line(release, her2st, b1, new, message):
    release.write_counts("B1", np.full((30, 4), 7))
    release.edit(release.counts("B1"), "3x3\t7\t7", f"3x3\t7\t{new}")
    with pytest.raises(DataError, match=f"B1.tsv.gz', {message}"):
        her2st.table(b1, MINOR)


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ("3-3", "spot '3-3' does not have the form '10x14', column x row"),
        ("2x3", "spot '2x3' repeats in the table"),
        ("3x99", "spot '3x99' is outside the array of 33 x 35 spots"),
    ],
)
def test_bad_spot_ids_are_named_by_line(release, her2st, b1, new, message):
    release.edit(release.counts("B1"), "\n3x3\t", f"\n{new}\t")
    with pytest.raises(DataError, match=f"B1.tsv.gz', line 3: {message}"):
        her2st.table(b1, MINOR)


def test_a_repeated_gene_is_refused(release, her2st, b1):
    release.edit(release.counts("B1"), "CD3E", "ERBB2")
    with pytest.raises(DataError, match="column 'ERBB2' repeats in the header"):
        her2st.table(b1, MINOR)


@pytest.mark.parametrize("content", [b"no gzip at all", b"\x1f\x8b\x08\x00 broken"])
def test_broken_gzip_is_refused(release, her2st, b1, content):
    release.counts("B1").write_bytes(content)
    with pytest.raises(DataError, match=r"B1.tsv.gz' cannot be unpacked \(.*\): fetch it again"):
        her2st.table(b1, MINOR)


def test_truncated_gzip_is_refused(release, her2st, b1):
    content = release.counts("B1").read_bytes()
    release.counts("B1").write_bytes(content[:-20])
    with pytest.raises(DataError, match="cannot be unpacked"):
        her2st.table(b1, MINOR)


def test_empty_counts_are_refused(release, her2st, b1):
    release.write_counts("B1", np.empty((0, 4), dtype=int), spots=())
    with pytest.raises(DataError, match=r"B1.tsv.gz' has no spots"):
        her2st.table(b1, MINOR)


def test_counts_of_other_spots_are_refused(release, her2st, b1):
    release.write_counts("B1", np.ones((2, 4), dtype=int), spots=("30x30", "31x30"))
    with pytest.raises(DataError, match="slide 'B1': selection, counts have no spot in common"):
        her2st.table(b1, "gene_expression")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pixel_x", "px", "has no column 'pixel_x'; found x, y, new_x"),
        ("200.5", "left", "line 3: column 'pixel_x' is not a finite number: 'left'"),
        ("5\t8\t", "6\t8\t", "line 3: spot '6x8' repeats"),
        ("5\t8\t", "5.5\t8\t", "array coordinates x and y must be whole numbers"),
    ],
)
def test_a_bad_selection_is_refused(release, b1, old, new, message):
    release.edit(release.selection("B1"), old, new)
    with pytest.raises(DataError, match=message):
        Her2st(release.root, blobs={}).table(b1, MINOR)


def test_a_selection_of_nothing_is_refused(release, her2st, b1, spots):
    release.write_selection("B1", deselected=spots)
    with pytest.raises(DataError, match="no spot is selected"):
        her2st.table(b1, MINOR)


def test_a_damaged_selection_costs_only_its_slide(release):
    release.edit(release.selection("B1"), "pixel_x", "px")
    her2st = Her2st(release.root, blobs={})
    assert [(slide.id, slide.mpp) for slide in her2st.slides(MINOR)][1] == ("B1", None)
    assert her2st.table(her2st.slides(MINOR)[2], MINOR)


def test_spots_on_a_line_give_no_resolution(release, her2st, b1):
    lines = release.selection("B1").read_text().splitlines()
    release.selection("B1").write_text("\n".join(line for line in lines if line.split("\t")[1] in ("y", "8")))
    with pytest.raises(DataError, match="on one line, so the lattice does not determine microns per pixel"):
        her2st.table(b1, MINOR)


def test_positions_that_are_no_pixels_are_refused(release, her2st, b1):
    lines = [line.split("\t") for line in release.selection("B1").read_text().splitlines()]
    shrunk = [line if line[0] == "x" else [*line[:4], *line[:2], line[6]] for line in lines]
    release.selection("B1").write_text("\n".join("\t".join(line) for line in shrunk))
    with pytest.raises(DataError, match="neighbouring spots are 1 pixels apart"):
        her2st.table(b1, MINOR)


def test_binary_selection_is_refused(release, her2st, b1):
    release.selection("B1").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(DataError, match=r"B1_selection.tsv' is not a tab-separated table"):
        her2st.table(b1, MINOR)


def test_binary_counts_are_refused(release, her2st, b1):
    release.counts("B1").write_bytes(gzip.compress(b"\xff\xfe\x00"))
    with pytest.raises(DataError, match=r"B1.tsv.gz' is not a tab-separated table"):
        her2st.table(b1, MINOR)


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ((0.25, 0.25, 0.25), "line 2: the proportions of spot '2x3' sum to 0.750, not to 1"),
        ((-0.5, 0.5, 1.0), "line 2: spot '2x3', cell type 'B-cells' has a negative proportion"),
        ((float("nan"), 0.5, 0.5), "line 2, column 'B-cells': 'nan' is not a finite number"),
    ],
)
def test_bad_proportions_are_named_by_line(release, her2st, b1, make_proportions, first, message):
    release.write_proportions("minor", {"B1": make_proportions(first=first)})
    with pytest.raises(DataError, match=f"minor.zip: B1-proportion.tsv', {message}"):
        her2st.table(b1, MINOR)


def test_proportions_of_another_slide_are_refused(release, her2st, b1, make_proportions):
    others = tuple(f"{column}x{row}" for row in range(3, 9) for column in range(3, 8))
    release.write_proportions("minor", {"B1": make_proportions(others)})
    with pytest.raises(DataError, match=r"does not belong to slide 'B1': of its 30 spots 24 are among the 30"):
        her2st.table(b1, MINOR)


def test_a_slide_gone_from_the_archive_is_an_error(release, her2st, b1, make_proportions):
    release.write_proportions("minor", {"A1": make_proportions()})
    with pytest.raises(DataError, match=r"minor.zip' has no 'minor/B1-proportion.tsv'"):
        her2st.table(b1, MINOR)


def test_a_broken_archive_is_refused(release, her2st, b1):
    release.proportions().write_bytes(b"PK no zip")
    with pytest.raises(DataError, match=r"minor.zip' is not a readable zip archive"):
        her2st.slides(MINOR)
    with pytest.raises(DataError, match=r"'minor/B1-proportion.tsv' in .* cannot be unpacked"):
        her2st.table(b1, MINOR)


def test_a_damaged_member_is_refused(release, her2st, b1):
    content = bytearray(release.proportions().read_bytes())
    start = content.index(b"B1-proportion.tsv") + len(b"B1-proportion.tsv")
    content[start : start + 20] = bytes(20)
    release.proportions().write_bytes(content)
    with pytest.raises(DataError, match=r"B1-proportion.tsv' in .* cannot be unpacked"):
        her2st.table(b1, MINOR)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("connective tissue", "conective tissue", "spot '3x3' has label 'conective tissue'; known are adipose tissue"),
        ("\t3.12\t", "\tthree\t", "line 4: column 'x' is not a finite number: 'three'"),
        ("label", "class", "has no column 'label'"),
    ],
)
def test_bad_labels_are_refused(release, her2st, b1, old, new, message):
    release.edit(release.labels("B1"), old, new)
    with pytest.raises(DataError, match=message):
        her2st.table(b1, "label")


def test_labels_of_another_slide_are_refused(release, her2st, b1):
    lines = release.labels("B1").read_text().splitlines()
    release.labels("B1").write_text("\n".join(lines[:20]))
    with pytest.raises(DataError, match=r"B1_labeled_coordinates.tsv' does not belong to slide 'B1'"):
        her2st.table(b1, "label")


# Images


def test_the_image_is_opened(release, her2st, b1):
    assert her2st.image(b1).read().shape == (420, 360, 3)


def test_two_images_are_refused(release, her2st, b1):
    release.image("B1").with_name("copy.jpg").write_bytes(release.image("B1").read_bytes())
    with pytest.raises(DataError, match=r"must hold one image \(.jpg\), found HE_B1.jpg, copy.jpg"):
        her2st.image(b1)


def test_an_image_deleted_meanwhile_is_an_error(release, her2st, b1):
    release.image("B1").unlink()
    with pytest.raises(DataError, match=r"must hold one image \(.jpg\), found none"):
        her2st.image(b1)


def test_an_image_smaller_than_its_spots_is_refused(release, her2st, b1):
    release.write_image("B1", width=230)
    with pytest.raises(DataError, match=r"wrong size, 230 x 420 pixels: spot '6x8' at \(240, 320\) is outside"):
        her2st.image(b1)


def test_an_image_of_another_resolution_is_refused(release, her2st, b1):
    release.write_image("B1", width=2000)
    with pytest.raises(DataError, match="2000 x 420 pixels: the whole array of spots spans only 1320 x 1400"):
        her2st.image(b1)


def test_a_truncated_image_is_refused_without_decoding(release, her2st, b1):
    release.image("B1").write_bytes(release.image("B1").read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"HE_B1.jpg' is truncated"):
        her2st.image(b1)
