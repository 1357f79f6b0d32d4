"""Slide images are opened, checked and cut exactly."""

import hashlib
import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from histobench import DataError, PatchGeometry, ShapeError
from histobench.images import (
    ArrayImage,
    FileImage,
    TiffPyramid,
    check_image,
    cut_patches,
    cut_regions,
    is_upsampled,
    open_image,
    patch_cutter,
)
from histobench.images import files as images_module


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)


@pytest.fixture
def save(tmp_path, pixels):
    def write(name="slide.png", **options):
        path = tmp_path / name
        Image.fromarray(pixels).save(path, **options)
        return path

    return write


def cut(image, centres, /, *, mpp=None, **geometry):
    return cut_patches(image, np.array(centres, dtype=float), PatchGeometry(**geometry), mpp=mpp)


# Patches


def test_a_field_of_the_patch_size_is_a_plain_crop(pixels):
    patches = cut(pixels, [(20, 12), (33, 25)], patch_px=8, field_px=8)
    np.testing.assert_array_equal(patches[0], pixels[8:16, 16:24])
    np.testing.assert_array_equal(patches[1], pixels[21:29, 29:37])


@pytest.mark.parametrize(("x", "left"), [(19.6, 16), (20.4, 16), (20.6, 17), (20.5, 16), (21.5, 18)])
def test_the_rounded_centre_is_the_pixel_right_of_the_middle(pixels, x, left):
    np.testing.assert_array_equal(cut(pixels, [(x, 12)], patch_px=8, field_px=8)[0], pixels[8:16, left : left + 8])


def test_an_odd_field_has_its_centre_in_the_middle(pixels):
    np.testing.assert_array_equal(cut(pixels, [(20, 12)], patch_px=5, field_px=5)[0], pixels[10:15, 18:23])


def test_outside_the_image_is_white(pixels):
    corner, beside, far = cut(pixels, [(0, 0), (58, 39), (500, -500)], patch_px=8, field_px=8)
    np.testing.assert_array_equal(corner[4:, 4:], pixels[:4, :4])
    assert (corner[:4] == 255).all()
    assert (corner[:, :4] == 255).all()
    np.testing.assert_array_equal(beside[:5, :6], pixels[35:, 54:])
    assert (beside[5:] == 255).all()
    assert (far == 255).all()


def test_a_field_of_another_size_is_resized_by_pillows_bilinear_filter(pixels):
    expected = Image.fromarray(pixels[4:28, 8:32]).resize((8, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(cut(pixels, [(20, 16)], patch_px=8, field_px=24)[0], np.asarray(expected))


def test_reduction_does_not_alias():
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    middle = cut(stripes, [(32, 32)], patch_px=8, field_px=32)[0][2:-2, 2:-2].astype(int)
    assert abs(middle - 100).max() <= 2


@pytest.mark.parametrize(("mpp", "side"), [(0.5, 16), (1.0, 8), (2.0, 4), (0.8, 10)])
def test_a_geometry_in_microns_sees_the_same_tissue_at_every_resolution(pixels, mpp, side):
    crop = pixels[20 - side // 2 :][:side, 30 - side // 2 :][:, :side]
    expected = Image.fromarray(crop).resize((8, 8), Image.Resampling.BILINEAR)
    patch = cut_patches(pixels, np.array([[30.0, 20.0]]), PatchGeometry(patch_px=8, mpp=1.0), mpp=mpp)[0]
    np.testing.assert_array_equal(patch, np.asarray(expected))


def test_a_geometry_in_pixels_needs_no_resolution(pixels):
    np.testing.assert_array_equal(
        cut(pixels, [(20, 12)], patch_px=8, field_px=8, mpp=None),
        cut(pixels, [(20, 12)], patch_px=8, field_px=8, mpp=3.0),
    )


def test_a_geometry_in_microns_needs_the_slides_resolution(pixels):
    with pytest.raises(DataError, match=r"patches of 0.5 microns per pixel cannot be cut"):
        cut_patches(pixels, np.zeros((1, 2)), PatchGeometry(mpp=0.5), mpp=None)


def test_a_centre_that_is_nowhere_is_refused(pixels):
    with pytest.raises(DataError, match="the centre of spot 1 is not finite"):
        cut(pixels, [(1, 1), (np.nan, 1)], patch_px=8)


def test_no_spots_give_no_patches(pixels):
    assert cut_patches(pixels, np.empty((0, 2)), PatchGeometry(patch_px=8), mpp=None).shape == (0, 8, 8, 3)


def test_shapes_are_checked(pixels):
    with pytest.raises(ShapeError, match=r"centres must be \(n_spots, 2\), got \(2,\)"):
        cut(pixels, (1, 2))
    with pytest.raises(ShapeError, match=r"an image must be \(h, w, 3\) uint8, got \(40, 60\) uint8"):
        cut(pixels[..., 0], [(1, 2)])
    with pytest.raises(ShapeError, match=r"got \(40, 60, 3\) float64"):
        ArrayImage(pixels.astype(float))


# Images


def test_a_file_is_read_as_rgb(save, pixels):
    np.testing.assert_array_equal(FileImage(save()).read(), pixels)


def test_grey_images_become_rgb(tmp_path, pixels):
    path = tmp_path / "grey.png"
    Image.fromarray(pixels[..., 0]).save(path)
    np.testing.assert_array_equal(FileImage(path).read()[..., 2], pixels[..., 0])


def test_a_files_hash_is_that_of_its_bytes(save):
    path = save()
    assert FileImage(path).content_hash() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_arrays_hash_follows_shape_and_pixels(pixels):
    same = ArrayImage(pixels.copy()).content_hash()
    assert ArrayImage(pixels).content_hash() == same
    assert ArrayImage(pixels.reshape(60, 40, 3)).content_hash() != same
    assert ArrayImage(pixels + np.uint8(1)).content_hash() != same
    assert ArrayImage(pixels).read() is not None


def test_an_array_is_read_as_it_is(pixels):
    assert ArrayImage(pixels).read() is pixels


@pytest.mark.parametrize("name", ["slide.png", "slide.jpg", "slide.tif"])
def test_the_size_is_told_without_decoding(save, name):
    assert check_image(save(name)) == (60, 40)


def test_images_above_pillows_limit_are_read(save, pixels, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    np.testing.assert_array_equal(FileImage(save()).read(), pixels)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_images_above_our_limit_are_refused(save, monkeypatch):
    monkeypatch.setattr(images_module, "MAX_PIXELS", 100)
    with pytest.raises(DataError, match="has 60 x 40 pixels, more than 100"):
        FileImage(save()).read()


# Damage


def test_a_missing_image_is_named(tmp_path):
    for look in (check_image, lambda path: FileImage(path).read(), lambda path: FileImage(path).content_hash()):
        with pytest.raises(DataError, match=r"there is no image '.*nowhere.jpg'"):
            look(tmp_path / "nowhere.jpg")


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        FileImage(tmp_path).content_hash()


def test_an_empty_image_is_refused(tmp_path):
    (tmp_path / "slide.jpg").touch()
    with pytest.raises(DataError, match=r"slide.jpg' is empty: fetch it again"):
        check_image(tmp_path / "slide.jpg")


def test_a_text_is_no_image(tmp_path):
    (tmp_path / "slide.jpg").write_text("404: not found")
    with pytest.raises(DataError, match=r"slide.jpg' is not an image that Pillow can read"):
        check_image(tmp_path / "slide.jpg")


@pytest.mark.parametrize("name", ["slide.jpg", "slide.png"])
def test_a_truncated_image_is_told_without_decoding(save, name):
    path = save(name)
    path.write_bytes(path.read_bytes()[:-1100])
    with pytest.raises(DataError, match=r"is truncated: it ends after \d+ bytes without its end marker"):
        check_image(path)


@pytest.mark.parametrize("name", ["slide.jpg", "slide.png", "slide.tif"])
def test_a_truncated_image_cannot_be_read(save, name):
    path = save(name)
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 2])
    with pytest.raises(DataError, match="slide"):
        FileImage(path).read()


def test_a_scrambled_image_gives_no_other_error(save):
    path = save()
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"slide.png' cannot be decoded \(.*\): replace the file"):
        FileImage(path).read()


# Pyramids


@pytest.fixture
def smooth():
    """An image that survives JPEG and resampling: wide waves of colour, 300 x 260 pixels."""
    y, x = np.mgrid[:260, :300]
    waves = [128 + 90 * np.sin(x / 31), 128 + 90 * np.cos(y / 23), 128 + 60 * np.sin((x + y) / 41)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def jpeg_tiles(image, *, tile=64):
    """Cut an image into tiles and code them as JPEG, as a scanner does."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, -height % tile), (0, -width % tile), (0, 0)), mode="edge")
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            coded = io.BytesIO()
            Image.fromarray(padded[top : top + tile, left : left + tile]).save(coded, "JPEG", quality=95)
            yield coded.getvalue()


def write_pyramid(path, image, *, levels=3, compression="zlib", sub_ifds=False, predictor=False):
    """Write a tiled TIFF whose levels halve, after one another or as sub-images; JPEG in YCbCr."""
    shown = [np.asarray(Image.fromarray(image).reduce(2**level)) for level in range(levels)]
    options = {"tile": (64, 64), "photometric": "rgb", "compression": compression, "predictor": predictor or None}
    with tifffile.TiffWriter(path) as file:
        for number, level in enumerate(shown):
            nested = {"subifds": levels - 1} if sub_ifds and not number else {"subfiletype": int(number > 0)}
            if compression == "jpeg":
                tiles, shape = jpeg_tiles(level), level.shape
                file.write(tiles, shape=shape, dtype="uint8", **{**options, "photometric": "ycbcr"}, **nested)
            else:
                file.write(level, **options, **nested)
    return shown


@pytest.fixture(autouse=True)
def writer_of_jpeg(monkeypatch):
    """Let tifffile write tiles that are JPEG already; it asks for a coder, and calls none."""
    monkeypatch.setattr("tifffile._imagecodecs.jpeg_encode", None, raising=False)


@pytest.mark.parametrize("sub_ifds", [False, True], ids=["one after the other", "as sub-images"])
@pytest.mark.parametrize(("compression", "predictor"), [(None, False), ("zlib", False), ("zlib", True)])
def test_every_level_is_read_to_the_pixel(tmp_path, smooth, compression, predictor, sub_ifds):
    path = tmp_path / "slide.tif"
    levels = write_pyramid(path, smooth, compression=compression, predictor=predictor, sub_ifds=sub_ifds)
    image = open_image(path)
    assert isinstance(image, TiffPyramid)
    np.testing.assert_allclose(image.downsamples(), [1, 2, 4], rtol=0.01)
    for number, level in enumerate(levels):
        np.testing.assert_array_equal(image.region(number, 20, 10, 50), level[10:60, 20:70])
    np.testing.assert_array_equal(image.read(), smooth)


def test_jpeg_tiles_are_read_with_their_colours(tmp_path, smooth):
    write_pyramid(tmp_path / "slide.svs", smooth, compression="jpeg")
    read = open_image(tmp_path / "slide.svs").read().astype(int)
    assert read.shape == smooth.shape
    assert np.abs(read - smooth).mean() < 2


def test_outside_a_level_is_white(tmp_path, smooth):
    write_pyramid(tmp_path / "slide.tif", smooth)
    image = open_image(tmp_path / "slide.tif")
    corner, far = image.region(0, -10, 250, 40), image.region(1, 900, -900, 8)
    np.testing.assert_array_equal(corner[:10, 10:], smooth[250:, :30])
    assert (corner[10:] == 255).all()
    assert (corner[:, :10] == 255).all()
    assert (far == 255).all()


@pytest.mark.parametrize(
    ("wanted", "level", "side"), [(0.25, 0, 32), (0.3, 0, 38), (0.5, 1, 32), (0.6, 1, 38), (1.0, 2, 32), (4.0, 2, 128)]
)
def test_a_patch_comes_from_the_nearest_level_that_is_fine_enough(tmp_path, smooth, monkeypatch, wanted, level, side):
    write_pyramid(tmp_path / "slide.tif", smooth)
    image, asked = open_image(tmp_path / "slide.tif"), []
    read = image.region
    monkeypatch.setattr(image, "region", lambda at, x, y, side: asked.append((at, side)) or read(at, x, y, side))
    cut_regions(image, np.array([[150.0, 130.0]]), PatchGeometry(patch_px=32, mpp=wanted), mpp=0.25)
    assert asked == [(level, side)]


def test_a_patch_of_a_level_shows_the_tissue_that_one_of_the_full_image_shows(tmp_path, smooth):
    write_pyramid(tmp_path / "slide.tif", smooth)
    centres, geometry = np.array([[152.0, 132.0], [60.0, 200.0]]), PatchGeometry(patch_px=24, mpp=1.0)
    of_level = cut_regions(open_image(tmp_path / "slide.tif"), centres, geometry, mpp=0.25)
    whole = cut_patches(smooth, centres, geometry, mpp=0.25)
    assert np.abs(of_level.astype(int) - whole).max() <= 4


@pytest.mark.parametrize("geometry", [PatchGeometry(patch_px=16, field_px=40), PatchGeometry(patch_px=16, mpp=0.25)])
def test_a_patch_of_the_finest_level_is_the_one_of_the_full_image(tmp_path, smooth, geometry):
    write_pyramid(tmp_path / "slide.tif", smooth)
    centres = np.random.default_rng(0).uniform(-5, 290, (20, 2))
    cut = patch_cutter(open_image(tmp_path / "slide.tif"), geometry, mpp=0.25)
    np.testing.assert_array_equal(cut(centres), cut_patches(smooth, centres, geometry, mpp=0.25))


def test_a_label_image_is_no_level(tmp_path, smooth):
    with tifffile.TiffWriter(tmp_path / "slide.tif") as file:
        for image in (smooth, smooth[:100, :100], np.asarray(Image.fromarray(smooth).reduce(2))):
            file.write(image, tile=(64, 64), photometric="rgb")
    np.testing.assert_allclose(open_image(tmp_path / "slide.tif").downsamples(), [1, 2])


def test_a_tile_that_was_left_out_is_white(tmp_path, smooth):
    blank = [b"" if number == 1 else tile for number, tile in enumerate(jpeg_tiles(smooth))]
    with tifffile.TiffWriter(tmp_path / "slide.tif") as file:
        options = {"tile": (64, 64), "photometric": "ycbcr", "compression": "jpeg"}
        file.write(iter(blank), shape=smooth.shape, dtype="uint8", **options)
    assert (open_image(tmp_path / "slide.tif").region(0, 64, 0, 64) == 255).all()


def test_a_damaged_tile_is_named(tmp_path, smooth):
    path = tmp_path / "slide.tif"
    write_pyramid(path, smooth, levels=1)
    with tifffile.TiffFile(path) as file:
        start, count = file.pages[0].dataoffsets[3], file.pages[0].databytecounts[3]
    content = bytearray(path.read_bytes())
    content[start : start + count] = bytes(count)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"slide.tif': tile 3 of level 0 cannot be decoded .* replace the file"):
        open_image(path).read()


def test_a_tiff_without_tiles_is_left_to_pillow(save, pixels):
    image = open_image(save("slide.tif"))
    assert isinstance(image, FileImage)
    np.testing.assert_array_equal(image.read(), pixels)


def test_a_file_that_is_no_pyramid_is_refused_as_one(save):
    with pytest.raises(DataError, match="is not a tiled 8-bit RGB TIFF"):
        TiffPyramid(save("slide.tif")).read()


@pytest.mark.parametrize(("mpp", "coarser"), [(0.25, False), (0.5, False), (0.54, False), (0.69, True), (None, False)])
def test_an_image_coarser_than_wanted_would_be_enlarged(mpp, coarser):
    assert is_upsampled(PatchGeometry(mpp=0.5), mpp) is coarser


def test_a_geometry_in_pixels_enlarges_nothing():
    assert not is_upsampled(PatchGeometry(), 2.0)
