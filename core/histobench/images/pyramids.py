"""Tiled TIFFs with levels of decreasing resolution, as scanners and HEST write them, read by region.

A patch is cut from the coarsest level that is at least as fine as requested, so that neither memory nor time grows with
the size of the slide. Tiles may be uncompressed, deflate or JPEG; Pillow decodes files with others as a whole.

References
----------
Adobe (1992), *TIFF*, revision 6.0; Adobe (2002), *TIFF technical note 2*: JPEG tiles and their shared tables.
"""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import tifffile
from PIL import Image

from histobench.contracts.protocols import PatchGeometry, SlideImage
from histobench.data import Float, UInt8
from histobench.errors import DataError
from histobench.images.cutting import WHITE, corners, cut_patches, field_px, resize
from histobench.images.files import FileImage, hash_file

__all__ = ["LeveledImage", "TiffPyramid", "cut_regions", "open_image", "patch_cutter"]

_TILES_KEPT = 256  # decoded tiles of 256 x 256 pixels: 50 MB; neighbouring patches share theirs
_NONE, _JPEG, _DEFLATE = 1, 7, (8, 32946)
_READABLE = (_NONE, _JPEG, *_DEFLATE)
_RGB, _YCBCR = 2, 6
_ROUNDING = 1.01  # a level of 0.5004 µm per pixel counts as 0.5
_SAME_SHAPE = 0.02  # levels are rounded to whole pixels; a label or macro image has another shape altogether
_TIFF_ERRORS = (
    tifffile.TiffFileError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    SyntaxError,
    TypeError,
    zlib.error,
    struct.error,
)


@runtime_checkable
class LeveledImage(SlideImage, Protocol):
    """A slide's image that can be read by region, at several resolutions."""

    def downsamples(self) -> Sequence[float]:
        """Return how many full-resolution pixels one pixel of each level spans, ascending from 1."""
        ...

    def region(self, level: int, left: int, top: int, side: int) -> UInt8:
        """Read a (side, side, 3) uint8 square of a level, positioned in its pixels; white outside the image."""
        ...


@dataclass(frozen=True, slots=True)
class _Level:
    width: int
    height: int
    tile_width: int
    tile_height: int
    offsets: tuple[int, ...]
    byte_counts: tuple[int, ...]
    compression: int
    predictor: int
    channels: int
    jpeg_head: bytes


class TiffPyramid:
    """The image of a slide in a tiled TIFF; implements `LeveledImage`.

    Parameters
    ----------
    path
        Opened only when needed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tile: Callable[[int, int], UInt8] = lru_cache(maxsize=_TILES_KEPT)(self._decode)

    @cached_property
    def _levels(self) -> tuple[_Level, ...]:
        found = _read_levels(self.path)
        if not found:
            raise DataError(f"image '{self.path}' is not a tiled 8-bit RGB TIFF with supported compression.")
        return found

    @cached_property
    def _bytes(self) -> UInt8:
        return np.memmap(self.path, dtype=np.uint8, mode="r")

    def content_hash(self) -> str:
        """Hash the bytes of the file with SHA-256."""
        return hash_file(self.path)

    def read(self) -> UInt8:
        """Decode the finest level whole as (h, w, 3) uint8 RGB; reading regions needs less memory.

        Raises
        ------
        DataError
            If a tile is damaged.
        """
        first = self._levels[0]
        return self._window(0, 0, 0, width=first.width, height=first.height)

    def downsamples(self) -> Sequence[float]:
        """Return how many full-resolution pixels one pixel of each level spans."""
        first = self._levels[0]
        return [1.0, *((first.width / at.width + first.height / at.height) / 2 for at in self._levels[1:])]

    def region(self, level: int, left: int, top: int, side: int) -> UInt8:
        """Read a (side, side, 3) uint8 square of a level; white outside the image.

        Raises
        ------
        DataError
            If a tile is damaged.
        """
        return self._window(level, left, top, width=side, height=side)

    def _window(self, level: int, left: int, top: int, *, width: int, height: int) -> UInt8:
        at = self._levels[level]
        window = np.full((height, width, 3), WHITE, dtype=np.uint8)
        right, bottom = min(left + width, at.width), min(top + height, at.height)
        columns = -(-at.width // at.tile_width)
        for row in range(max(top, 0) // at.tile_height, -(-bottom // at.tile_height)):
            for column in range(max(left, 0) // at.tile_width, -(-right // at.tile_width)):
                tile = self._tile(level, row * columns + column)
                x, y = column * at.tile_width, row * at.tile_height
                x0, x1 = max(left, x), min(right, x + at.tile_width)
                y0, y1 = max(top, y), min(bottom, y + at.tile_height)
                if x0 < x1 and y0 < y1:
                    window[y0 - top : y1 - top, x0 - left : x1 - left] = tile[y0 - y : y1 - y, x0 - x : x1 - x]
        return window

    def _decode(self, level: int, number: int) -> UInt8:
        at = self._levels[level]
        shape = (at.tile_height, at.tile_width, at.channels)
        start, count = at.offsets[number], at.byte_counts[number]
        if not count:  # scanners leave out tiles of bare glass
            return np.full((*shape[:2], 3), WHITE, dtype=np.uint8)
        stored = self._bytes[start : start + count].tobytes()
        try:
            return _decode_tile(at, stored, shape)
        except _TIFF_ERRORS as error:
            raise DataError(
                f"image '{self.path}': tile {number} of level {level} cannot be decoded ({error}): replace the file."
            ) from error


def open_image(path: Path) -> SlideImage:
    """Open a slide's image without decoding it: by region if it is a tiled TIFF, else as Pillow reads it.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    if path.suffix.lower() in (".tif", ".tiff", ".svs", ".btf") and path.is_file() and _read_levels(path):
        return TiffPyramid(path)
    return FileImage(path)


def cut_regions(image: LeveledImage, xy_px: Float, geometry: PatchGeometry, /, *, mpp: float | None) -> UInt8:
    """Cut the square around each spot from the coarsest level that is at least as fine as requested.

    Parameters
    ----------
    xy_px : (n, 2)
        Centres of the spots in pixels of the finest level, x first.
    geometry
        If it is in pixels (``mpp`` is ``None``), patches are read from the finest level.
    mpp
        Microns per pixel of the finest level.

    Returns
    -------
    (n, patch_px, patch_px, 3) uint8
        As from `cut_patches`; identical values if the finest level is chosen.

    Raises
    ------
    DataError
        If the geometry is in microns and ``mpp`` is ``None``, or a tile is damaged.
    """
    level, down = _choose_level(image.downsamples(), geometry, mpp)
    side_read = field_px(geometry, None if mpp is None else mpp * down)
    places = corners(np.asarray(xy_px) / down, side_read)
    side = geometry.patch_px
    patches = np.empty((len(places), side, side, 3), dtype=np.uint8)
    for patch, (left, top) in zip(patches, places, strict=True):
        field = image.region(level, left, top, side_read)
        patch[:] = field if side_read == side else resize(field, side)
    return patches


def patch_cutter(image: SlideImage, geometry: PatchGeometry, /, *, mpp: float | None) -> Callable[[Float], UInt8]:
    """Return a function that cuts patches of an image: (n, 2) centres → (n, p, p, 3) uint8; it is safe in threads.

    An image without levels is decoded now, and stays in memory as long as the function.
    """
    if isinstance(image, LeveledImage):
        return partial(_cut, cut_regions, image, geometry, mpp)
    return partial(_cut, cut_patches, image.read(), geometry, mpp)


def _cut(cut: Any, image: Any, geometry: PatchGeometry, mpp: float | None, xy_px: Float) -> UInt8:
    # Any: one of two functions, and the image it takes
    patches: UInt8 = cut(image, xy_px, geometry, mpp=mpp)
    return patches


def _choose_level(downsamples: Sequence[float], geometry: PatchGeometry, mpp: float | None) -> tuple[int, float]:
    """Return the coarsest level that is not coarser than requested, up to rounding; else the finest."""
    if geometry.mpp is None or mpp is None:
        return 0, 1.0
    fit = [number for number, down in enumerate(downsamples) if mpp * down <= geometry.mpp * _ROUNDING]
    chosen = max(fit, default=0, key=lambda number: downsamples[number])
    return chosen, downsamples[chosen]


def _read_levels(path: Path) -> tuple[_Level, ...]:
    """Return the tiled images of the first one's shape, the finest first; none if the first is not supported."""
    try:
        with tifffile.TiffFile(path) as file:
            # Any: tifffile's pages
            pages: list[Any] = [file.pages[0], *(file.pages[0].pages or ()), *list(file.pages)[1:]]
            levels = [_level(page) for page in pages if _is_readable(page)] if _is_readable(pages[0]) else []
    except FileNotFoundError as error:
        raise DataError(f"there is no image '{path}'.") from error
    except _TIFF_ERRORS:
        return ()
    kept = levels[:1]
    for level in levels[1:]:
        first, last = levels[0], kept[-1]
        stretched = (first.width / level.width) / (first.height / level.height)
        if level.width < last.width and abs(stretched - 1) < _SAME_SHAPE:
            kept.append(level)
    return tuple(kept)


def _is_readable(page: Any) -> bool:  # Any: a page of tifffile's
    sides = (page.imagewidth, page.imagelength, page.tilewidth, page.tilelength)  # any value in a damaged file
    return bool(
        page.is_tiled
        and all(isinstance(side, int) and side > 0 for side in sides)
        and page.bitspersample == 8
        and page.samplesperpixel in (3, 4)
        and page.planarconfig == 1
        and page.photometric in (_RGB, _YCBCR)
        and page.compression in _READABLE
        and page.predictor in (1, 2)
        and (page.photometric == _RGB or page.compression == _JPEG)
    )


def _level(page: Any) -> _Level:  # Any: a page of tifffile's
    tables = bytes(page.jpegtables or b"\xff\xd8\xff\xd9")
    # Adobe's marker says whether colours are to be converted; without it decoders guess from component names
    marker = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([int(page.photometric == _YCBCR)])
    return _Level(
        width=page.imagewidth,
        height=page.imagelength,
        tile_width=page.tilewidth,
        tile_height=page.tilelength,
        offsets=tuple(page.dataoffsets),
        byte_counts=tuple(page.databytecounts),
        compression=int(page.compression),
        predictor=int(page.predictor),
        channels=page.samplesperpixel,
        jpeg_head=tables[:2] + marker + tables[2:-2],
    )


def _decode_tile(at: _Level, stored: bytes, shape: tuple[int, int, int]) -> UInt8:
    if at.compression == _JPEG:
        with Image.open(io.BytesIO(at.jpeg_head + stored[2:])) as decoded:
            tile = np.asarray(decoded.convert("RGB"), dtype=np.uint8)
        if tile.shape[:2] != shape[:2]:
            raise ValueError(f"it is {tile.shape[1]} x {tile.shape[0]} pixels")
        return tile
    plain = stored if at.compression == _NONE else zlib.decompress(stored)
    tile = np.frombuffer(plain, dtype=np.uint8).reshape(shape)
    if at.predictor == 2:  # each pixel is stored as its difference to the one on its left
        tile = np.cumsum(tile, axis=1, dtype=np.uint8)
    return tile[..., :3]
