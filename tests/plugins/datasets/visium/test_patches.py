"""Cutting patches from a slide, reading slides by region, and writing patches to files and folders."""

import resource

import h5py
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from histobench import ConfigError, DataError
from histobench_datasets.visium.dump import dump_patches
from histobench_datasets.visium.patches import (
    PatchField,
    corners_around,
    cut_patches,
    read_patches,
    resize,
    write_patches,
)
from histobench_datasets.visium.slide import WholeSlide, open_slide, read_mpp

NOISE = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)


# Slides


def test_tiled_slide_is_read_by_region_as_the_array(visium):
    slide = open_slide(visium.slide_path)
    assert (slide.width, slide.height, slide.mpp) == (600, 600, 0.5)
    np.testing.assert_array_equal(slide.read(100, 37, 150), visium.pixels[37:187, 100:250])


def test_outside_the_slide_is_white():
    field = WholeSlide.of_array(NOISE).read(-10, 80, 30)
    np.testing.assert_array_equal(field[:10, 10:], NOISE[80:, :20])
    assert (field[10:] == 255).all()
    assert (field[:, :10] == 255).all()


@pytest.mark.parametrize(
    ("options", "mpp"),
    [
        ({"resolution": (40_000, 40_000), "resolutionunit": 3}, 0.25),
        ({"resolution": (50_800, 50_800), "resolutionunit": 2}, 0.5),
        ({"resolution": (72, 72), "resolutionunit": 2}, None),
        ({"description": "Aperio Image|AppMag = 40|MPP = 0.2527"}, 0.2527),
        ({"description": '<OME><Pixels PhysicalSizeX="0.26" PhysicalSizeXUnit="um"/></OME>'}, 0.26),
        ({"description": '<OME><Pixels PhysicalSizeX="0.26" PhysicalSizeXUnit="nm"/></OME>'}, None),
        ({}, None),
    ],
    ids=["centimetre", "inch", "screen", "aperio", "ome", "ome in another unit", "nothing"],
)
def test_microns_per_pixel_are_read(tmp_path, options, mpp):
    tifffile.imwrite(tmp_path / "he.tif", NOISE, photometric="rgb", **options)
    assert read_mpp(tmp_path / "he.tif") == pytest.approx(mpp)


def test_a_png_has_no_microns_per_pixel_but_those_given(tmp_path):
    Image.fromarray(NOISE).save(tmp_path / "he.png")
    assert open_slide(tmp_path / "he.png").mpp is None
    assert open_slide(tmp_path / "he.png", 0.5).mpp == 0.5


@pytest.mark.parametrize(("most", "step"), [(10**6, 1), (3000, 2), (700, 4)])
def test_sample_is_every_kth_pixel_of_the_middle(most, step):
    sampled = WholeSlide.of_array(NOISE).sample(1, 0.1, most)
    np.testing.assert_array_equal(sampled, NOISE[9:81, 13:117][::step, ::step])


def test_sample_of_many_blocks_is_one_lattice(monkeypatch):
    monkeypatch.setattr("histobench_datasets.visium.slide._BLOCK_PX", 20)
    sampled = WholeSlide.of_array(NOISE).sample(0, 0.0, 1500)
    np.testing.assert_array_equal(sampled, NOISE[::3, ::3])


def test_sample_takes_a_level_there_is(visium):
    slide = open_slide(visium.slide_path)
    np.testing.assert_array_equal(slide.sample(7, 0.1, 10**6), visium.pixels[::2, ::2][30:270, 30:270])


# Patches


@pytest.mark.parametrize(("mpp", "slide_px"), [(0.5, 110), (55 / 130, 130), (0.2125, 258)])
def test_field_is_the_whole_number_of_pixels_that_fit(mpp, slide_px):
    assert PatchField.of(patch_um=55.0, patch_px=128, mpp=mpp).slide_px == slide_px


def test_patch_smaller_than_a_pixel_is_refused():
    with pytest.raises(ConfigError, match="a patch of 1 µm is less than a pixel of a slide with 2 µm per pixel"):
        PatchField.of(patch_um=1.0, patch_px=8, mpp=2.0)


@pytest.mark.parametrize(("field_px", "side"), [(60, 24), (60, 60), (31, 64), (90, 17)])
def test_plain_bilinear_is_that_of_torch(field_px, side):
    field = NOISE[:field_px, :field_px]
    tensor = torch.from_numpy(field.copy()).permute(2, 0, 1)[None].float()
    expected = torch.nn.functional.interpolate(tensor, (side, side), mode="bilinear", antialias=False).round()
    difference = resize(field, side, antialias=False) - expected[0].permute(1, 2, 0).numpy()
    assert np.abs(difference).max() <= 1  # halves, after sums in another order
    assert (difference != 0).mean() < 0.01


def test_antialiasing_averages_a_reduction():
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, 1::4] = 255
    assert np.ptp(resize(stripes, 8, antialias=True)[2:-2, 2:-2]) <= 2
    assert resize(stripes, 8, antialias=False).mean() != pytest.approx(stripes.mean(), abs=20)


def test_corners_are_truncated(visium):
    slide = WholeSlide.of_array(visium.pixels)
    field = PatchField(slide_px=21, patch_px=8)
    corners = corners_around(np.array([[100.0, 50.9], [3.0, 4.4]]), field, slide)
    np.testing.assert_array_equal(corners, [[89, 40], [-7, -6]])


def test_patches_show_their_spot(visium):
    slide = open_slide(visium.slide_path)
    field = PatchField.of(patch_um=visium.patch_um, patch_px=16, mpp=0.5)
    patches = list(cut_patches(slide, corners_around(visium.centres, field, slide), field))
    assert [patch[..., 0].min() for patch in patches] == [100 + number for number in visium.numbers]
    assert all(np.ptp(patch, axis=(0, 1)).max() == 0 for patch in patches)


def test_spots_of_another_image_are_told(visium):
    with pytest.raises(DataError, match=r"\d+ of 40 spots are outside 'array' of 600 x 600 pixels, one at"):
        corners_around(visium.centres * 3, PatchField(slide_px=60, patch_px=8), WholeSlide.of_array(visium.pixels))


# Files


def test_written_patches_are_read_again(tmp_path):
    patches = np.random.default_rng(1).integers(0, 256, (70, 8, 8, 3), dtype=np.uint8)
    write_patches(tmp_path / "imgs.h5", iter(patches), patch_px=8, barcodes=[f"µ{i}" for i in range(70)])
    np.testing.assert_array_equal(list(read_patches(tmp_path / "imgs.h5")), patches)
    with h5py.File(tmp_path / "imgs.h5") as file:
        assert file["barcode"][5].decode() == "µ5"
        assert file["img"].dtype == np.uint8


def test_glass_is_dropped_with_its_barcode(tmp_path):
    patches = np.full((3, 8, 8, 3), [[[[100]]], [[[230]]], [[[220]]]], dtype=np.uint8)
    kept = write_patches(tmp_path / "imgs.h5", patches, patch_px=8, barcodes=["a", "b", "c"], brightest=220)
    assert kept.tolist() == [0, 2]
    with h5py.File(tmp_path / "imgs.h5") as file:
        assert list(file["barcode"].asstr()) == ["a", "c"]


def test_all_glass_is_told(tmp_path):
    with pytest.raises(DataError, match="the mean brightness of every patch exceeds 10"):
        write_patches(tmp_path / "imgs.h5", NOISE[None, :8, :8], patch_px=8, barcodes=None, brightest=10)


def test_a_full_disk_ends_the_cutting_early(tmp_path):
    patches = iter(np.random.default_rng(1).integers(0, 256, (300, 16, 16, 3), dtype=np.uint8))
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, most))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_patches(tmp_path / "imgs.h5", patches, patch_px=16, barcodes=None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert sum(1 for _ in patches) == 300 - 128


def test_alphabetical_order_of_the_folder_is_that_of_the_patches(tmp_path):
    patches = np.arange(11, dtype=np.uint8)[:, None, None, None].repeat(4, 1).repeat(4, 2).repeat(3, 3)
    write_patches(tmp_path / "imgs.h5", patches, patch_px=4, barcodes=None)
    assert dump_patches(tmp_path / "imgs.h5", tmp_path / "png", stains=None) == 11
    files = sorted((tmp_path / "png").iterdir(), key=lambda path: path.name)
    assert [files[0].name, files[-1].name] == ["patch_00.png", "patch_10.png"]
    np.testing.assert_array_equal([np.asarray(Image.open(path)) for path in files], patches)


def test_patches_of_an_earlier_run_do_not_outlive_it(tmp_path):
    for n in (12, 5):
        write_patches(tmp_path / "imgs.h5", NOISE[None, :8, :8].repeat(n, 0), patch_px=8, barcodes=None)
        dump_patches(tmp_path / "imgs.h5", tmp_path / "png", stains=None)
    assert sorted(path.name for path in (tmp_path / "png").iterdir()) == [f"patch_{i}.png" for i in range(5)]


def test_folder_with_other_files_is_left_alone(tmp_path):
    write_patches(tmp_path / "imgs.h5", NOISE[None, :8, :8], patch_px=8, barcodes=None)
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(ConfigError, match=r"must be empty or hold patches only, found 'imgs.h5'"):
        dump_patches(tmp_path / "imgs.h5", tmp_path, stains=None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["imgs.h5", "thesis.doc"]


def test_damaged_patches_leave_no_folder(tmp_path):
    write_patches(tmp_path / "imgs.h5", NOISE[None, :8, :8].repeat(90, 0), patch_px=8, barcodes=None)
    content = (tmp_path / "imgs.h5").read_bytes()
    (tmp_path / "imgs.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"imgs.h5' is not a readable file of patches"):
        dump_patches(tmp_path / "imgs.h5", tmp_path / "png", stains=None)
    assert [path.name for path in tmp_path.iterdir()] == ["imgs.h5"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "does not exist; .*extract"), (NOISE[:1], "must be \\(n, h, w, 3\\) uint8")],
)
def test_files_of_something_else_are_told(tmp_path, content, message):
    if content is not None:
        with h5py.File(tmp_path / "imgs.h5", "w") as file:
            file["img"] = content
    with pytest.raises(DataError, match=message):
        list(read_patches(tmp_path / "imgs.h5"))
