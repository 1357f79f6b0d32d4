"""Cutting the square around each spot from a decoded image."""

import numpy as np
from PIL import Image

from histobench.contracts.protocols import PatchGeometry
from histobench.data import Float, UInt8
from histobench.errors import DataError, ShapeError

__all__ = [
    "UPSAMPLING_TOLERANCE",
    "WHITE",
    "check_array",
    "corners",
    "cut_patches",
    "field_px",
    "is_upsampled",
    "resize",
]

WHITE = 255
"""The empty glass around the tissue."""

UPSAMPLING_TOLERANCE = 1.1
"""How many times coarser than requested an image may be: scanners called 20x have 0.46 to 0.55 µm per pixel."""


def cut_patches(image: UInt8, xy_px: Float, geometry: PatchGeometry, /, *, mpp: float | None) -> UInt8:
    """Cut the square around each spot.

    Parameters
    ----------
    image : (h, w, 3) uint8 RGB
        The decoded full-resolution image.
    xy_px : (n, 2)
        Centres of the spots in pixels of that image, x first. A centre is rounded (halves to even) to the pixel right
        of and below the middle of the square, so that a field of 224 pixels spans ``round(x) - 112 … round(x) + 111``.
    geometry
        The field is ``field_px`` pixels wide if its ``mpp`` is ``None``, else ``patch_px * geometry.mpp`` microns,
        rounded to whole pixels. If the field is not ``patch_px`` wide, it is resized with Pillow's bilinear filter,
        whose support grows with the reduction: no aliasing.
    mpp
        Microns per pixel of the image.

    Returns
    -------
    (n, patch_px, patch_px, 3) uint8
        Pixels outside the image are white (255), as empty glass is.

    Raises
    ------
    DataError
        If the geometry is in microns and ``mpp`` is ``None``, or a centre is not finite.
    ShapeError
        If the image is not (h, w, 3) uint8 or the centres are not (n, 2).
    """
    check_array(image)
    places = corners(xy_px, side_read := field_px(geometry, mpp))
    side = geometry.patch_px
    patches = np.full((len(places), side, side, 3), WHITE, dtype=np.uint8)
    for patch, (left, top) in zip(patches, places, strict=True):
        if side_read == side:
            _paste(image, patch, left=left, top=top)
        else:
            field = np.full((side_read, side_read, 3), WHITE, dtype=np.uint8)
            _paste(image, field, left=left, top=top)
            patch[:] = resize(field, side)
    return patches


def resize(field: UInt8, side: int) -> UInt8:
    """Resize an (f, f, 3) field to (side, side, 3) with Pillow's bilinear filter; no aliasing."""
    return np.asarray(Image.fromarray(field).resize((side, side), Image.Resampling.BILINEAR))


def is_upsampled(geometry: PatchGeometry, mpp: float | None) -> bool:
    """Return whether an image with this resolution is coarser than the requested patch."""
    return geometry.mpp is not None and mpp is not None and mpp > geometry.mpp * UPSAMPLING_TOLERANCE


def field_px(geometry: PatchGeometry, mpp: float | None) -> int:
    """Return the width of a patch in pixels of the image.

    Raises
    ------
    DataError
        If the geometry is in microns and ``mpp`` is ``None``.
    """
    if geometry.mpp is None:
        return geometry.field_px
    if mpp is None:
        raise DataError(
            f"patches of {geometry.mpp:g} microns per pixel cannot be cut: the slide's own microns per pixel are "
            "unknown; give the dataset's resolution or take a geometry in pixels."
        )
    return max(1, round(geometry.patch_px * geometry.mpp / mpp))


def corners(xy_px: Float, side: int) -> list[tuple[int, int]]:
    """Return the first pixel (left, top) of each spot's field.

    Parameters
    ----------
    xy_px : (n, 2)
        Centres of the spots, x first.
    side
        Width of the field in pixels.

    Raises
    ------
    DataError, ShapeError
        If a centre is not finite, or they are not (n, 2).
    """
    if xy_px.ndim != 2 or xy_px.shape[1] != 2:
        raise ShapeError(f"centres must be (n_spots, 2), got {xy_px.shape}.")
    broken = ~np.isfinite(xy_px).all(axis=1)
    if broken.any():
        raise DataError(f"the centre of spot {int(broken.argmax())} is not finite: {xy_px[broken.argmax()].tolist()}.")
    firsts = np.rint(xy_px).astype(np.int64) - side // 2
    return [(int(left), int(top)) for left, top in firsts]


def _paste(image: UInt8, field: UInt8, *, left: int, top: int) -> None:
    """Copy the overlap of the field and the image into the field."""
    height, width = image.shape[:2]
    side = len(field)
    x0, x1 = max(left, 0), min(left + side, width)
    y0, y1 = max(top, 0), min(top + side, height)
    if x0 < x1 and y0 < y1:
        field[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]


def check_array(image: UInt8) -> None:
    """Raise ``ShapeError`` if an image is not (h, w, 3) uint8."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ShapeError(f"an image must be (h, w, 3) uint8, got {image.shape} {image.dtype}.")
