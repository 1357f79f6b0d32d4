"""Contours, tissue found by colour, and patches at random inside it."""

import json

import numpy as np
import pytest
import shapely
import shapely.geometry

from histobench import DataError
from histobench_datasets.visium.slide import WholeSlide
from histobench_datasets.visium.tissue import Sampling, random_corners, read_contours, segment_tissue

HOLED = shapely.box(100, 100, 500, 500).difference(shapely.box(290, 290, 300, 300))
SMALL = shapely.box(700, 100, 900, 300)
TISSUE = shapely.union_all([HOLED, SMALL])
SIDE = 30


@pytest.fixture
def slide():
    """A slide of 1000 x 600 pixels."""
    return WholeSlide.of_array(np.full((600, 1000, 3), 200, dtype=np.uint8), mpp=0.5)


def write(path, *shapes):
    features = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)} for shape in shapes]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def squares(corners):
    left, top = corners.T
    return shapely.box(left, top, left + SIDE, top + SIDE)


@pytest.mark.parametrize("by", ["corner", "centre"])
def test_every_square_lies_in_tissue_and_covers_no_hole(by):
    corners = random_corners(TISSUE, SIDE, Sampling(n=4000, by=by))
    assert corners.shape == (4000, 2)
    assert shapely.covers(TISSUE, squares(corners)).all()
    assert (shapely.area(shapely.intersection(squares(corners), shapely.box(290, 290, 300, 300))) == 0).all()


def test_polygons_are_hit_by_the_area_that_squares_fit_into():
    corners = random_corners(TISSUE, SIDE, Sampling(n=3000))
    free = 200 - SIDE
    around_hole = (400 - SIDE) ** 2 - (SIDE + 10) ** 2
    expected = free**2 / (free**2 + around_hole)
    assert (corners[:, 0] > 600).mean() == pytest.approx(expected, abs=0.03)


def test_corner_and_centre_sampling_fill_the_same_places():
    corners = [random_corners(SMALL, SIDE, Sampling(n=4000, by=by)) for by in ("corner", "centre")]
    np.testing.assert_allclose(*[places.mean(axis=0) for places in corners], atol=3)


def test_seed_decides_the_squares():
    first, again, other = (random_corners(TISSUE, SIDE, Sampling(n=50, seed=seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("tissue", [shapely.box(0, 0, 20, 20), shapely.Polygon()], ids=["too small", "none"])
def test_tissue_smaller_than_a_patch_is_told(tissue):
    with pytest.raises(DataError, match="only 0 of 5 patches of 30 pixels were found inside tissue"):
        random_corners(tissue, SIDE, Sampling(n=5))


# Contours


def test_all_polygons_of_a_file_are_joined(tmp_path, slide):
    read = read_contours(write(tmp_path / "c.geojson", HOLED, shapely.MultiPolygon([SMALL])), slide)
    assert read.equals(TISSUE)


def test_contours_are_cut_to_the_slide(tmp_path, slide):
    read = read_contours(write(tmp_path / "c.geojson", shapely.box(900, 500, 1010, 610)), slide)
    assert read.bounds == (900, 500, 1000, 600)


def test_polygon_outside_the_image_is_told(tmp_path, slide):
    path = write(tmp_path / "c.geojson", SMALL, shapely.box(5000, 5000, 6000, 6000))
    with pytest.raises(DataError, match=r"polygon 1 spans \[5000, 5000, 6000, 6000\], outside 'array' of 1000 x 600"):
        read_contours(path, slide)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not GeoJSON"),
        ("[]", "is not GeoJSON"),
        ('{"type": "FeatureCollection", "features": [{"geometry": {"type": "Polygon"}}]}', "is not GeoJSON"),
        ('{"type": "Point", "coordinates": [1, 2]}', "has no polygon"),
        (None, "file of contours '.*' does not exist"),
    ],
)
def test_damaged_contours_are_told(tmp_path, slide, text, message):
    if text is not None:
        (tmp_path / "c.geojson").write_text(text)
    with pytest.raises(DataError, match=message):
        read_contours(tmp_path / "c.geojson", slide)


# Segmentation


def test_tissue_is_found_by_colour_with_its_hole(blobs):
    found = segment_tissue(blobs)
    ring = shapely.Point(350, 400).buffer(250).difference(shapely.Point(350, 400).buffer(80))
    truth = ring.union(shapely.Point(950, 500).buffer(180))
    assert found.intersection(truth).area / found.union(truth).area > 0.98
    assert len(found.geoms) == 2


def test_large_slides_are_segmented_on_a_thumbnail(monkeypatch, blobs):
    monkeypatch.setattr("histobench_datasets.visium.tissue._THUMBNAIL_PIXELS", 70_000)
    coarse = segment_tissue(blobs)
    monkeypatch.undo()
    fine = segment_tissue(blobs)
    assert coarse.intersection(fine).area / coarse.union(fine).area > 0.95


def test_bare_glass_is_told(slide):
    with pytest.raises(DataError, match="no tissue was found on 'array': give contours"):
        segment_tissue(slide)
