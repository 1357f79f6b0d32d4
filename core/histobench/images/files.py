"""Images in files that Pillow reads, and in memory; early checks for damage."""

import hashlib
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from histobench.data import UInt8
from histobench.errors import DataError
from histobench.files import file_digest
from histobench.images.cutting import check_array

__all__ = ["MAX_PIXELS", "ArrayImage", "FileImage", "check_image", "hash_file"]

MAX_PIXELS = 4_000_000_000
"""Largest image that is opened, in pixels; Pillow's own limit of 90 million is below an ordinary slide."""

_TAIL_BYTES = 1024  # some programs append a few bytes after the end marker
_END_MARKERS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error, zlib.error)
_LIMIT_LOCK = threading.RLock()


class FileImage:
    """The image of a slide in a file that Pillow reads.

    Parameters
    ----------
    path
        Opened only when needed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def content_hash(self) -> str:
        """Hash the bytes of the file with SHA-256.

        Raises
        ------
        DataError
            If the file cannot be read.
        """
        return hash_file(self.path)

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
    """The image of a slide in memory, such as generated tissue.

    Parameters
    ----------
    array
        (h, w, 3) uint8 RGB.
    """

    def __init__(self, array: UInt8) -> None:
        check_array(array)
        self._array = array

    def content_hash(self) -> str:
        """Hash shape and pixels with SHA-256."""
        digest = hashlib.sha256(repr(self._array.shape).encode())
        digest.update(np.ascontiguousarray(self._array).data)
        return digest.hexdigest()

    def read(self) -> UInt8:
        """Return the array itself."""
        return self._array


def hash_file(path: Path) -> str:
    """Hash the bytes of a file with SHA-256; a process does not read an unchanged file twice.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    try:
        status = path.stat()
        return _hash_content(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise _unreadable(path, error) from error


@lru_cache(maxsize=1024)
def _hash_content(path: Path, _bytes: int, _mtime_ns: int) -> str:
    return file_digest(path)


def check_image(path: Path) -> tuple[int, int]:
    """Check an image file without decoding it.

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


@contextmanager
def _open(path: Path) -> Iterator[Image.Image]:
    """Open an image with our limit of size in place of Pillow's, a global that is restored at once."""
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
