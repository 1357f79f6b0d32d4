"""Shifts change the image as they say, and move the spots along."""

import numpy as np
import pytest
from scipy import ndimage

from histobench.contracts.protocols import PatchGeometry
from histobench.data import UInt8
from histobench.images import ArrayImage, cut_patches
from histobench.images.shifts import PANEL, Shift, ShiftedDataset, ShiftedImage
from histobench.testing import ToyDataset


@pytest.fixture
def image() -> UInt8:
    return np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)


@pytest.mark.parametrize("shift", PANEL, ids=str)
def test_every_shift_of_the_panel_changes_the_image_and_its_name(shift: Shift, image: UInt8) -> None:
    plain = ArrayImage(image)
    shifted = ShiftedImage(plain, shift)
    pixels = shifted.read()
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3
    assert pixels.shape != image.shape or not np.array_equal(pixels, image)
    assert shifted.content_hash() != plain.content_hash()


def test_no_two_shifts_share_a_name() -> None:
    assert len({str(shift) for shift in PANEL}) == len(PANEL)


@pytest.mark.parametrize(
    ("shift", "expected"),
    [(Shift(kind="brightness", strength=1.0), 0), (Shift(kind="stain", strength=0.0), 1)],
    ids=str,
)
def test_a_shift_of_no_strength_changes_nothing(shift: Shift, expected: int, image: UInt8) -> None:
    assert np.abs(shift.pixels(image).astype(int) - image).max() <= expected


def test_brightness_multiplies(image: UInt8) -> None:
    expected = np.rint(image * 0.8).astype(np.uint8)
    np.testing.assert_array_equal(Shift(kind="brightness", strength=0.8).pixels(image), expected)


def test_blur_is_gaussian_in_each_channel(image: UInt8) -> None:
    blurred = Shift(kind="blur", strength=2).pixels(image)
    expected = ndimage.gaussian_filter(image[..., 1].astype(float), 2, mode="nearest")
    assert np.abs(blurred[..., 1] - expected).max() <= 2  # bytes are rounded between the two passes


def test_stain_moves_the_density_of_haematoxylin_and_eosin() -> None:
    haematoxylin = np.array([0.65, 0.70, 0.29]) / np.linalg.norm([0.65, 0.70, 0.29])
    pixel = np.rint(256 * np.exp(-0.5 * haematoxylin) - 1).astype(np.uint8).reshape(1, 1, 3)
    darker = Shift(kind="stain", strength=0.4).pixels(pixel)
    expected = 256 * np.exp(-0.5 * 1.4 * haematoxylin) - 1
    assert np.abs(darker.reshape(3) - expected).max() <= 2


def test_jpeg_in_strips_is_jpeg_of_the_whole() -> None:
    tall = np.random.default_rng(1).integers(0, 256, (1100, 24, 3), dtype=np.uint8)
    shift = Shift(kind="jpeg", strength=40)
    np.testing.assert_array_equal(shift.pixels(tall)[:1024], shift.pixels(tall[:1024]))


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_patch_is_the_patch_turned(degrees: int, image: UInt8) -> None:
    shift = Shift(kind="rotation", strength=degrees)
    places = np.array([[40.0, 30.0], [80.0, 60.0]], dtype=np.float32)
    geometry = PatchGeometry(patch_px=16, field_px=16)
    plain = cut_patches(image, places, geometry, mpp=None)
    moved = shift.places(places, width=120, height=90)
    turned = cut_patches(shift.pixels(image), moved, geometry, mpp=None)
    np.testing.assert_array_equal(turned, np.rot90(plain, k=degrees // 90, axes=(1, 2)))


def test_scale_magnifies_around_the_same_tissue(image: UInt8) -> None:
    shift = Shift(kind="scale", strength=2.0)
    assert shift.pixels(image).shape == (180, 240, 3)
    moved = shift.places(np.array([[40.0, 30.0]], dtype=np.float32), width=120, height=90)
    assert moved.tolist() == [[80.0, 60.0]]


def test_a_shifted_dataset_differs_by_its_images_alone() -> None:
    toy = ToyDataset()
    slide = toy.slides("cell_abundance")[0]
    shifted = ShiftedDataset(toy, Shift(kind="rotation", strength=90))
    plain, turned = toy.table(slide, "cell_abundance"), shifted.table(slide, "cell_abundance")
    assert plain.targets is not None
    assert turned.targets is not None
    np.testing.assert_array_equal(plain.targets.values, turned.targets.values)
    np.testing.assert_array_equal(plain.xy_um, turned.xy_um)
    assert not np.array_equal(plain.xy_px, turned.xy_px)
    assert shifted.fingerprint(slide, "cell_abundance") == toy.fingerprint(slide, "cell_abundance")
    assert shifted.slides("cell_abundance") == toy.slides("cell_abundance")
    assert shifted.notes(slide, "cell_abundance") == ()
    assert shifted.left_out("cell_abundance") == {}
