"""Patches of a whole slide around spots, and the HDF5 file that holds them.

``imgs.h5``: ``img`` (n, h, w, 3) uint8 RGB and, except for random patches, ``barcode``, n strings.
"""

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from histobench import ConfigError, DataError, Float, Int, UInt8, images
from histobench.files import new_hdf5
from histobench_datasets.visium.slide import WholeSlide

__all__ = ["PatchField", "corners_around", "count_patches", "cut_patches", "read_patches", "resize", "write_patches"]

NOTHING_DROPPED = 255.0
"""The largest possible mean brightness, which keeps every patch."""

MOST_PX = 8192
"""Side of the largest patch, on the slide or as written: 200 MB, or 2 mm of tissue at 0.25 µm per pixel."""

_ROUNDING = 1e-9  # so that 0.3 / 0.1 counts as three
_AT_ONCE = 64  # patches of 128 x 128 pixels: 3 MB
_HDF5_ERRORS = (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchField:
    """The square that a patch shows: its side in full-resolution pixels of the slide, and the side it is resized to."""

    slide_px: int
    patch_px: int
    antialias: bool = False  # the published patches are resized without

    @classmethod
    def of(cls, *, patch_um: float, patch_px: int, mpp: float, antialias: bool = False) -> "PatchField":
        """Compute the field of a patch of ``patch_um`` microns on a slide with ``mpp`` microns per pixel.

        Raises
        ------
        ConfigError
            If the field is smaller than one pixel of the slide or wider than `MOST_PX`.
        """
        spans = patch_um / mpp
        if not spans + _ROUNDING >= 1:
            raise ConfigError(
                f"a patch of {patch_um:g} µm is less than a pixel of a slide with {mpp:g} µm per pixel; check both."
            )
        if spans > MOST_PX:
            raise ConfigError(
                f"a patch of {patch_um:g} µm would span {spans:.3g} pixels of a slide with {mpp:g} µm per pixel, more "
                f"than {MOST_PX}; check both."
            )
        return cls(slide_px=int(spans + _ROUNDING), patch_px=patch_px, antialias=antialias)


def corners_around(xy_px: Float, field: PatchField, slide: WholeSlide, /) -> Int:
    """Return the first pixel of the field around each centre.

    Parameters
    ----------
    xy_px : (n, 2)
        Centres in full-resolution pixels, x first.

    Returns
    -------
    (n, 2) int
        Truncated towards zero.

    Raises
    ------
    DataError
        If a centre is outside the slide, because the positions belong to another image.
    """
    outside = ~((xy_px >= 0) & (xy_px <= [slide.width, slide.height])).all(axis=1)
    if outside.any():
        x, y = xy_px[int(outside.argmax())]
        raise DataError(
            f"{int(outside.sum())} of {len(xy_px)} spots are outside '{slide.name}' of {slide.width} x {slide.height} "
            f"pixels, one at ({x:g}, {y:g}): use the full-resolution image that Space Ranger was given."
        )
    return np.asarray(np.trunc(xy_px - field.slide_px / 2).astype(np.int64))


def cut_patches(slide: WholeSlide, corners: Int, field: PatchField, /) -> Iterator[UInt8]:
    """Yield the fields at (n, 2) corners one by one, each resized to (patch_px, patch_px, 3) uint8."""
    for left, top in corners:
        yield resize(slide.read(int(left), int(top), field.slide_px), field.patch_px, antialias=field.antialias)


def resize(field: UInt8, side: int, /, *, antialias: bool) -> UInt8:
    """Resize an (f, f, 3) uint8 field to (side, side, 3) by bilinear interpolation.

    Parameters
    ----------
    antialias
        Widen the filter when the field is reduced, as Pillow does, instead of using the four nearest pixels only.
    """
    if antialias:
        return images.resize(field, side)
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
    """Write patches as they are made, without those whose mean brightness exceeds ``brightest``: they show glass.

    Parameters
    ----------
    barcodes
        One per patch; ``None`` for patches that belong to no spot.

    Returns
    -------
    (m,) int
        The numbers of the patches that were written, in order.

    Raises
    ------
    DataError
        If every patch is too bright.
    OSError
        If the disk is full.
    """
    kept: list[int] = []
    with new_hdf5(path) as file:
        shape = (patch_px, patch_px, 3)
        written = file.create_dataset("img", (0, *shape), "u1", maxshape=(None, *shape), chunks=(1, *shape))
        waiting: list[UInt8] = []
        for number, patch in enumerate(patches):
            if patch.mean() <= brightest:
                kept.append(number)
                waiting.append(patch)
            if len(waiting) == _AT_ONCE:
                _append(written, waiting)
                waiting = []
                _check_disk(path, written)
        if waiting:
            _append(written, waiting)
        if barcodes is not None:
            names = [barcodes[number] for number in kept]
            file.create_dataset("barcode", data=names, dtype=h5py.string_dtype("utf-8"))
    if not kept:
        raise DataError(f"the mean brightness of every patch exceeds {brightest:g}; raise --background.")
    return np.array(kept, dtype=np.int64)


def count_patches(path: Path, /) -> int:
    """Return how many patches a file holds.

    Raises
    ------
    DataError
        If the file is missing, damaged or not a file of patches.
    """
    if not path.is_file():
        raise DataError(
            f"file of patches '{path}' does not exist; `histobench prepare extract` or `random` writes one."
        )
    try:
        with h5py.File(path) as file:
            shape, dtype = file["img"].shape, file["img"].dtype
    except _HDF5_ERRORS as error:
        raise DataError(f"'{path}' is not a readable file of patches ({error}): make it again.") from error
    if len(shape) != 4 or shape[3] != 3 or dtype != np.uint8:
        raise DataError(f"'{path}': 'img' must be (n, h, w, 3) uint8, found {shape} {dtype}.")
    return int(shape[0])


def read_patches(path: Path, /) -> Iterator[UInt8]:
    """Yield the patches of a file one by one, each (h, w, 3) uint8.

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


def _append(written: h5py.Dataset, patches: list[UInt8]) -> None:
    start = len(written)
    written.resize(start + len(patches), axis=0)
    written[start:] = np.stack(patches)


def _check_disk(path: Path, written: h5py.Dataset) -> None:
    """Stop at a full disk: after a failed write `new_hdf5` would keep all further patches in memory."""
    written.file.flush()
    if path.stat().st_size < written.id.get_storage_size():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
