"""A whole-slide image read by region, and the microns per pixel that its scanner recorded."""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tifffile

from histobench import DataError, UInt8
from histobench.images import LeveledImage, open_image

__all__ = ["ArrayRegions", "Regions", "WholeSlide", "open_slide", "read_mpp"]

_COARSEST_MPP = 20.0  # files without a real resolution state 72 or 96 dots per inch: 353 or 265 µm
_MICRONS = {2: 25_400.0, 3: 10_000.0}  # an inch, a centimetre (TIFF 6.0, ResolutionUnit)
_MPP = (r"\bMPP\s*=\s*([\d.]+)", r'PhysicalSizeX="([\d.]+)"(?!.*PhysicalSizeXUnit="(?!µm|um))')  # Aperio's, OME's
_BLOCK_PX = 2048
_WHITE = 255
_TIFF_ERRORS = (tifffile.TiffFileError, OSError, ValueError, KeyError, IndexError, TypeError, struct.error)


class Regions(Protocol):
    """An image that is read in squares, at one or several resolutions."""

    def downsamples(self) -> Sequence[float]:
        """Return how many full-resolution pixels a pixel of each level spans, in ascending order; the first is 1."""
        ...

    def region(self, level: int, left: int, top: int, side: int) -> UInt8:
        """Read a (side, side, 3) uint8 square of a level, placed in that level's pixels; white outside the image."""
        ...


class ArrayRegions:
    """An image in memory, (h, w, 3) uint8 RGB, as a single level; implements `Regions`."""

    def __init__(self, pixels: UInt8) -> None:
        self._pixels = pixels

    def downsamples(self) -> Sequence[float]:
        """Return the downsampling of the only level."""
        return [1.0]

    def region(self, _level: int, left: int, top: int, side: int) -> UInt8:
        """Copy a (side, side, 3) uint8 square; white outside the image."""
        height, width = self._pixels.shape[:2]
        square = np.full((side, side, 3), _WHITE, dtype=np.uint8)
        x0, x1 = max(left, 0), min(left + side, width)
        y0, y1 = max(top, 0), min(top + side, height)
        if x0 < x1 and y0 < y1:
            square[y0 - top : y1 - top, x0 - left : x1 - left] = self._pixels[y0:y1, x0:x1]
        return square


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeSlide:
    """An image with its size in full-resolution pixels and, where known, microns per pixel."""

    name: str
    regions: Regions
    width: int
    height: int
    mpp: float | None

    @classmethod
    def of_array(cls, pixels: UInt8, /, *, mpp: float | None = None, name: str = "array") -> "WholeSlide":
        """Make a slide of (h, w, 3) uint8 RGB pixels."""
        height, width = pixels.shape[:2]
        return cls(name=name, regions=ArrayRegions(pixels), width=width, height=height, mpp=mpp)

    def read(self, left: int, top: int, side: int) -> UInt8:
        """Read a (side, side, 3) uint8 square of the full-resolution image; white outside the image."""
        return self.regions.region(0, left, top, side)

    def sample(self, level: int, margin: float, max_pixels: int) -> UInt8:
        """Read a level without its margins as (h, w, 3) uint8, or every k-th pixel of every k-th row of it.

        Parameters
        ----------
        level
            If the slide has fewer levels, the coarsest is read.
        margin
            Share of the width and of the height that is left out on each side.
        max_pixels
            The largest number of pixels to return; determines k.
        """
        downsamples = self.regions.downsamples()
        level = min(level, len(downsamples) - 1)
        down = downsamples[level]
        left, top = int(int(self.width * margin) / down), int(int(self.height * margin) / down)
        width, height = (max(1, int(length * (1 - 2 * margin) / down)) for length in (self.width, self.height))
        step = max(1, int(np.ceil(np.sqrt(width * height / max_pixels))))
        block = -(-min(_BLOCK_PX, max(width, height)) // step) * step  # whole steps: the pixels of all blocks align
        rows = []
        for y in range(0, height, block):
            squares = [self.regions.region(level, left + x, top + y, block) for x in range(0, width, block)]
            rows.append(np.hstack([square[::step, ::step] for square in squares]))
        sampled: UInt8 = np.vstack(rows)[: -(-height // step), : -(-width // step)]
        return sampled


def open_slide(path: Path, mpp: float | None = None, /) -> WholeSlide:
    """Open a slide's image: a tiled TIFF is read by region, any other image is decoded whole.

    Parameters
    ----------
    path
        An image that `histobench.images` reads.
    mpp
        Microns per pixel, instead of those that the file states.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    if path.exists() and not path.is_file():  # reading a pipe would never end
        raise DataError(f"image '{path}' is not a file.")
    image = open_image(path)
    mpp = mpp or read_mpp(path)
    if not isinstance(image, LeveledImage):
        return WholeSlide.of_array(image.read(), mpp=mpp, name=str(path))
    try:
        with tifffile.TiffFile(path) as file:
            first: Any = file.pages[0]  # Any: a page of tifffile's
            width, height = int(first.imagewidth), int(first.imagelength)
    except _TIFF_ERRORS as error:
        raise DataError(f"image '{path}' is not a readable TIFF ({error}): replace the file.") from error
    return WholeSlide(name=str(path), regions=image, width=width, height=height, mpp=mpp)


def read_mpp(path: Path, /) -> float | None:
    """Read microns per pixel from a TIFF: the value of Aperio or OME, else its resolution; ``None`` without either."""
    try:
        with tifffile.TiffFile(path) as file:
            page: Any = file.pages[0]  # Any: a page of tifffile's
            description = str(page.description)
            tags = {name: page.tags[name].value for name in ("XResolution", "ResolutionUnit") if name in page.tags}
    except _TIFF_ERRORS:  # a JPEG or PNG, or damaged, which is reported when its pixels are read
        return None
    found = next((match for pattern in _MPP if (match := re.search(pattern, description, re.DOTALL))), None)
    if found is not None:
        return _plausible(float(found[1]))
    try:
        dots, per = tags["XResolution"]
        return _plausible(_MICRONS[int(tags.get("ResolutionUnit", 2))] * per / dots)
    except (KeyError, ValueError, TypeError, ZeroDivisionError):  # no resolution, or a meaningless one
        return None


def _plausible(mpp: float) -> float | None:
    return mpp if 0 < mpp < _COARSEST_MPP else None
