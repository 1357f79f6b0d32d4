"""Patches of a whole slide around spots, and the HDF5 file that holds them.

``imgs.h5``: ``img`` (n, h, w, 3) uint8 RGB and, but for random patches, ``barcode``, n strings.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from histobench import ConfigError, DataError, Float, Int, UInt8
from histobench_datasets.visium.slide import WholeSlide
from histobench_datasets.visium.written import new_hdf5

__all__ = ["PatchField", "corners_around", "count_patches", "cut_patches", "read_patches", "resize", "write_patches"]

NOTHING_DROPPED = 255.0
"""No patch is brighter on average."""

MOST_PX = 8192
"""Side of the largest patch, on the slide or as it is written: 200 MB, and 2 mm of tissue at 0.25 µm."""

_ROUNDING = 1e-9  # 0.3 / 0.1 is three
_AT_ONCE = 64  # patches of 128 x 128 pixels: 3 MB
_HDF5_ERRORS = (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchField:
    """The square that a patch shows: its side on the slide in full-resolution pixels, and the side it is resized to."""

    slide_px: int
    patch_px: int
    antialias: bool = False  # the published patches have none; with it a reduction looks better

    @classmethod
    def of(cls, *, patch_um: float, patch_px: int, mpp: float, antialias: bool = False) -> "PatchField":
        """Fit so many microns into so many pixels, on a slide of so many microns per pixel.

        Raises
        ------
        ConfigError
            If that is less than a pixel of the slide, or more pixels than a patch can have.
        """
        spans = patch_um / mpp
        if not spans + _ROUNDING >= 1:
            raise ConfigError(
                f"a patch of {patch_um:g} µm is less than a pixel of a slide of {mpp:g} µm per pixel; check both."
            )
        if spans > MOST_PX:
            raise ConfigError(
                f"a patch of {patch_um:g} µm would span {spans:.3g} pixels of a slide of {mpp:g} µm per pixel, more "
                f"than {MOST_PX}; check both."
            )
        return cls(slide_px=int(spans + _ROUNDING), patch_px=patch_px, antialias=antialias)


def corners_around(xy_px: Float, field: PatchField, slide: WholeSlide, /) -> Int:
    """Place the field around centres.

    Parameters
    ----------
    xy_px : (n, 2)
        Centres in full-resolution pixels, x first.

    Returns
    -------
    (n, 2) int
        First pixel of each field, truncated towards zero.

    Raises
    ------
    DataError
        If a centre lies outside the slide: the positions are those of another image.
    """
    outside = ~((xy_px >= 0) & (xy_px <= [slide.width, slide.height])).all(axis=1)
    if outside.any():
        x, y = xy_px[int(outside.argmax())]
        raise DataError(
            f"{int(outside.sum())} of {len(xy_px)} spots lie outside '{slide.name}' of {slide.width} x {slide.height} "
            f"pixels, one at ({x:g}, {y:g}): take the full-resolution image that Space Ranger was given."
        )
    return np.asarray(np.trunc(xy_px - field.slide_px / 2).astype(np.int64))


def cut_patches(slide: WholeSlide, corners: Int, field: PatchField, /) -> Iterator[UInt8]:
    """Read the fields at (n, 2) corners one after the other and resize each to (patch_px, patch_px, 3) uint8."""
    for left, top in corners:
        yield resize(slide.read(int(left), int(top), field.slide_px), field.patch_px, antialias=field.antialias)


def resize(field: UInt8, side: int, /, *, antialias: bool) -> UInt8:
    """Resize an (f, f, 3) uint8 field to (side, side, 3) by bilinear interpolation.

    Parameters
    ----------
    antialias
        Widen the filter with the reduction, as Pillow does, instead of reading the four nearest pixels only.
    """
    if antialias:
        return np.asarray(Image.fromarray(field).resize((side, side), Image.Resampling.BILINEAR))
    last = len(field) - 1
    places = np.clip((np.arange(side) + 0.5) * len(field) / side - 0.5, 0, last)  # pixels have centres
    before = places.astype(np.int64)
    after = np.minimum(before + 1, last)
    share = (places - before).astype(np.float32)
    rows = field[before] * (1 - share)[:, None, None] + field[after] * share[:, None, None]
    columns = rows[:, before] * (1 - share)[:, None] + rows[:, after] * share[:, None]
    return np.asarray(np.rint(columns).astype(np.uint8))


def write_patches(
    path: Path,
    patches: Iterable[UInt8],
    /,
    *,
    patch_px: int,
    barcodes: Sequence[str] | None,
    brightest: float = NOTHING_DROPPED,
) -> Int:
    """Write patches as they come; those brighter on average than ``brightest`` are taken for glass and left out.

    Parameters
    ----------
    barcodes
        One a patch; ``None`` for patches of no spot.

    Returns
    -------
    (m,) int
        Which patches, by their number, were written, in order.
    """
    kept: list[int] = []
    with new_hdf5(path) as (file, check):
        shape = (patch_px, patch_px, 3)
        images = file.create_dataset("img", (0, *shape), "u1", maxshape=(None, *shape), chunks=(1, *shape))
        waiting: list[UInt8] = []
        for number, patch in enumerate(patches):
            if patch.mean() <= brightest:
                kept.append(number)
                waiting.append(patch)
            if len(waiting) == _AT_ONCE:
                _append(images, waiting)
                waiting = []
                check()
        if waiting:
            _append(images, waiting)
        if barcodes is not None:
            names = [barcodes[number] for number in kept]
            file.create_dataset("barcode", data=names, dtype=h5py.string_dtype("utf-8"))
    if not kept:
        raise DataError(f"every patch is brighter than {brightest:g} on average; raise --background.")
    return np.array(kept, dtype=np.int64)


def count_patches(path: Path, /) -> int:
    """Say how many patches a file holds.

    Raises
    ------
    DataError
        If it is missing, damaged or not such a file.
    """
    if not path.is_file():
        raise DataError(f"there is no file of patches '{path}'; `histobench prepare extract` or `random` writes one.")
    try:
        with h5py.File(path) as file:
            shape, dtype = file["img"].shape, file["img"].dtype
    except _HDF5_ERRORS as error:
        raise DataError(f"'{path}' is no readable file of patches ({error}): make it again.") from error
    if len(shape) != 4 or shape[3] != 3 or dtype != np.uint8:
        raise DataError(f"'{path}': 'img' must be (n, h, w, 3) uint8, found {shape} {dtype}.")
    return int(shape[0])


def read_patches(path: Path, /) -> Iterator[UInt8]:
    """Read the patches of a file one after the other, each (h, w, 3) uint8.

    Raises
    ------
    DataError
        If the file is missing or damaged.
    """
    n = count_patches(path)
    with h5py.File(path) as file:
        for number in range(n):
            try:
                patch: UInt8 = file["img"][number]
            except _HDF5_ERRORS as error:
                raise DataError(f"patch {number} of '{path}' cannot be read ({error}): make the file again.") from error
            yield patch


def _append(images: h5py.Dataset, patches: list[UInt8]) -> None:
    start = len(images)
    images.resize(start + len(patches), axis=0)
    images[start:] = np.stack(patches)
