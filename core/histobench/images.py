"""Slide images: opening them, telling early when one is damaged, and cutting patches around spots.

Pixels are taken as they lie in the file: no colour management, no EXIF rotation, because the spots' positions refer
to the stored pixels. Patches are numbers ``0 … 255`` in RGB; what a model makes of them is the encoder's business.
"""

import hashlib
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from histobench.contracts import PatchGeometry
from histobench.data import Float, UInt8
from histobench.errors import DataError, ShapeError

__all__ = ["MAX_PIXELS", "ArrayImage", "FileImage", "check_image", "cut_patches"]

MAX_PIXELS = 4_000_000_000
"""Largest image that is opened, in pixels; Pillow's own limit of 90 million is below an ordinary slide."""

_WHITE = 255  # the empty glass around the tissue
_TAIL_BYTES = 1024  # some programs append a few bytes after the end marker
_END_MARKERS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error, zlib.error)
_LIMIT_LOCK = threading.RLock()


class FileImage:
    """The image of a slide in a file that Pillow reads.

    Parameters
    ----------
    path
        Not opened before it is needed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hash: str | None = None

    def content_hash(self) -> str:
        """Hash the bytes of the file with SHA-256.

        Raises
        ------
        DataError
            If the file cannot be read.
        """
        if self._hash is None:
            try:
                with self.path.open("rb") as file:
                    self._hash = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise _unreadable(self.path, error) from error
        return self._hash

    def read(self) -> UInt8:
        """Decode the whole image as (h, w, 3) uint8 RGB.

        Raises
        ------
        DataError
            If the file is missing, truncated or not an image.
        """
        try:
            with _open(self.path) as image:
                return np.asarray(image.convert("RGB"), dtype=np.uint8)
        except _PILLOW_ERRORS as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"image '{self.path}' cannot be decoded ({error}): replace the file.") from error


class ArrayImage:
    """The image of a slide that is already in memory, such as generated tissue.

    Parameters
    ----------
    array
        (h, w, 3) uint8 RGB.
    """

    def __init__(self, array: UInt8) -> None:
        _check_array(array)
        self._array = array

    def content_hash(self) -> str:
        """Hash shape and pixels with SHA-256."""
        digest = hashlib.sha256(repr(self._array.shape).encode())
        digest.update(np.ascontiguousarray(self._array).data)
        return digest.hexdigest()

    def read(self) -> UInt8:
        """Return the array itself."""
        return self._array


def check_image(path: Path) -> tuple[int, int]:
    """Look at an image file without decoding it.

    Returns
    -------
    (width, height) px

    Raises
    ------
    DataError
        If the file is missing, empty, not an image, or a JPEG or PNG that lacks its end.
    """
    try:
        n_bytes = path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error
    if not n_bytes:
        raise DataError(f"image '{path}' is empty: fetch it again.")
    with _open(path) as image:
        width, height = image.size
        marker = _END_MARKERS.get(image.format or "")
    if marker is not None and marker not in _read_tail(path, n_bytes):
        raise DataError(f"image '{path}' is truncated: it ends after {n_bytes} bytes without its end marker.")
    return width, height


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
        The field is ``field_px`` pixels wide where its ``mpp`` is ``None``, else the ``patch_px * geometry.mpp``
        microns that the model wants, rounded to whole pixels. Where the field is not ``patch_px`` wide it is resized
        with Pillow's bilinear filter, whose support grows with the reduction: no aliasing.
    mpp
        Microns per pixel of the image.

    Returns
    -------
    (n, patch_px, patch_px, 3) uint8
        What lies outside the image is white (255), as empty glass is.

    Raises
    ------
    DataError
        If the geometry is in microns and ``mpp`` is ``None``, or a centre is not finite.
    ShapeError
        If the image is not (h, w, 3) uint8 or the centres are not (n, 2).
    """
    _check_array(image)
    corners = _corners(xy_px, field_px := _field_px(geometry, mpp))
    side = geometry.patch_px
    patches = np.full((len(corners), side, side, 3), _WHITE, dtype=np.uint8)
    for patch, (left, top) in zip(patches, corners, strict=True):
        if field_px == side:
            _paste(image, patch, left=left, top=top)
        else:
            field = np.full((field_px, field_px, 3), _WHITE, dtype=np.uint8)
            _paste(image, field, left=left, top=top)
            patch[:] = np.asarray(Image.fromarray(field).resize((side, side), Image.Resampling.BILINEAR))
    return patches


def _field_px(geometry: PatchGeometry, mpp: float | None) -> int:
    if geometry.mpp is None:
        return geometry.field_px
    if mpp is None:
        raise DataError(
            f"patches of {geometry.mpp:g} microns per pixel cannot be cut: the slide's own microns per pixel are "
            "unknown; give the dataset's resolution or take a geometry in pixels."
        )
    return max(1, round(geometry.patch_px * geometry.mpp / mpp))


def _corners(xy_px: Float, field_px: int) -> list[tuple[int, int]]:
    if xy_px.ndim != 2 or xy_px.shape[1] != 2:
        raise ShapeError(f"centres must be (n_spots, 2), got {xy_px.shape}.")
    broken = ~np.isfinite(xy_px).all(axis=1)
    if broken.any():
        raise DataError(f"the centre of spot {int(broken.argmax())} is not finite: {xy_px[broken.argmax()].tolist()}.")
    corners = np.rint(xy_px).astype(np.int64) - field_px // 2
    return [(int(left), int(top)) for left, top in corners]


def _paste(image: UInt8, field: UInt8, *, left: int, top: int) -> None:
    """Copy into the field what it has in common with the image."""
    height, width = image.shape[:2]
    side = len(field)
    x0, x1 = max(left, 0), min(left + side, width)
    y0, y1 = max(top, 0), min(top + side, height)
    if x0 < x1 and y0 < y1:
        field[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]


def _check_array(image: UInt8) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ShapeError(f"an image must be (h, w, 3) uint8, got {image.shape} {image.dtype}.")


@contextmanager
def _open(path: Path) -> Iterator[Image.Image]:
    """Open with our limit of size in place of Pillow's, which is a global and put back at once."""
    try:
        with _LIMIT_LOCK:
            pillows, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                image = Image.open(path)
            finally:
                Image.MAX_IMAGE_PIXELS = pillows
    except FileNotFoundError as error:
        raise _unreadable(path, error) from error
    except _PILLOW_ERRORS as error:
        raise DataError(f"'{path}' is not an image that Pillow can read: replace the file.") from error
    with image:
        if image.width * image.height > MAX_PIXELS:
            raise DataError(f"image '{path}' has {image.width} x {image.height} pixels, more than {MAX_PIXELS}.")
        yield image


def _read_tail(path: Path, n_bytes: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, n_bytes - _TAIL_BYTES))
        return file.read()


def _unreadable(path: Path, error: OSError) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"there is no image '{path}'.")
    return DataError(f"image '{path}' cannot be read: {error.strerror or error}.")
