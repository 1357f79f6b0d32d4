"""Patches of a slide, cut once and read from the disk when indexed."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from histobench.cache import Cache, Entry
from histobench.contracts.protocols import PatchGeometry, SlideImage
from histobench.data import Float, Patches, SpotTable, UInt8
from histobench.errors import DataError, ShapeError
from histobench.images import patch_cutter
from histobench.images.embedding.keys import PatchKey
from histobench.images.embedding.rows import RowWriter, names_its_rows, open_rows

__all__ = ["PATCHES", "PatchStack", "StoredPatches", "slide_patches"]

PATCHES = "patches"
"""Folder of the cache that holds them."""

_AT_ONCE = 64  # patches that a thread cuts in a row; decides memory, never a value


@dataclass(frozen=True, slots=True)
class StoredPatches:
    """Patches in a file of HEST's layout, read when indexed; no handle is kept, so it can be pickled.

    Attributes
    ----------
    path
        The HDF5 file; ``img`` must be uncompressed and contiguous.
    shape
        (n, h, w, 3).
    offset
        Byte offset of the first patch in the file.
    """

    path: Path
    shape: tuple[int, int, int, int]
    offset: int

    @classmethod
    def open(cls, path: Path) -> "StoredPatches":
        """Locate the patches in a file.

        Raises
        ------
        DataError
            If the file is damaged or not of this layout.
        """
        found = open_rows(path, "img")
        shape = found.shape
        if found.dtype != np.uint8 or len(shape) != 4 or shape[3] != 3:
            raise DataError(f"{path}: 'img' must be (n, h, w, 3) uint8, got {shape} {found.dtype}.")
        return cls(path, (shape[0], shape[1], shape[2], 3), found.offset)

    def __len__(self) -> int:
        """Count the patches."""
        return self.shape[0]

    def __getitem__(self, rows: Any, /) -> UInt8:  # Any: whatever numpy takes for an index of rows
        """Read one patch as (h, w, 3), or several, in any order and with repeats, as (k, h, w, 3)."""
        stored = np.memmap(self.path, dtype=np.uint8, mode="r", offset=self.offset, shape=self.shape)
        return np.array(stored[rows])


class PatchStack:
    """Several stacks of patches of one size, concatenated.

    Raises
    ------
    ShapeError
        If there is no stack, or their patches differ in size.
    """

    def __init__(self, parts: Sequence[Patches]) -> None:
        sizes = {part[:0].shape[1:] for part in parts}
        if len(sizes) != 1:
            raise ShapeError(f"patches of one stack must have one size, got {sorted(sizes) or 'no patches'}.")
        self._parts = tuple(parts)
        self._size: tuple[int, ...] = sizes.pop()
        self._starts = [0, *accumulate(len(part) for part in parts)]

    def __len__(self) -> int:
        """Count the patches of all parts."""
        return self._starts[-1]

    def __getitem__(self, rows: Any, /) -> UInt8:  # Any: whatever numpy takes for an index of rows
        """Read patches from the parts that hold them; rows count through the parts in order."""
        chosen = np.arange(len(self))[rows]
        if chosen.ndim == 0:
            one: UInt8 = self[chosen[None]][0]
            return one
        patches = np.empty((*chosen.shape, *self._size), dtype=np.uint8)
        for part, start, stop in zip(self._parts, self._starts, self._starts[1:], strict=False):
            here = (chosen >= start) & (chosen < stop)
            if here.any():
                patches[here] = part[chosen[here] - start]
        return patches


def slide_patches(
    cache: Cache, image: SlideImage, table: SpotTable, geometry: PatchGeometry, *, workers: int = 1
) -> StoredPatches:
    """Cut the patch of every spot of a slide, once; the image is decoded only if they are not in the cache.

    Parameters
    ----------
    workers
        Threads that cut; an interrupted run is resumed.

    Returns
    -------
    n patches of (p, p, 3) uint8 RGB, in the table's order
        Read from the disk when indexed.

    Raises
    ------
    DataError
        If the image cannot be read.
    StoreError
        If the cache cannot be written.
    """
    entry = Entry(
        kind=PATCHES, key=asdict(PatchKey.of(image, table, geometry)), about={"slide": table.slide.id}, suffix=".h5"
    )
    path = cache.make(
        entry,
        build=lambda path: _cut(path, image, table, geometry, workers=workers),
        valid=lambda path: _holds_patches(path, table, geometry),
    )
    return StoredPatches.open(path)


def _cut(path: Path, image: SlideImage, table: SpotTable, geometry: PatchGeometry, *, workers: int) -> None:
    n, side = len(table.spot_ids), geometry.patch_px
    cut = patch_cutter(image, geometry, mpp=table.slide.mpp)
    columns: dict[str, Float | Sequence[str]] = {"coords": table.xy_px, "barcode": table.spot_ids}
    with (
        RowWriter(path, "img", shape=(n, side, side, 3), dtype="uint8", columns=columns) as file,
        ThreadPoolExecutor(workers) as threads,
    ):
        stride = _AT_ONCE * workers  # limits memory to what the threads work on
        for first in range(file.done, n, stride):
            starts = range(first, min(first + stride, n), _AT_ONCE)
            parts = threads.map(cut, [table.xy_px[start : start + _AT_ONCE] for start in starts])
            for start, patches in zip(starts, parts, strict=True):
                file.write(start, patches)


def _holds_patches(path: Path, table: SpotTable, geometry: PatchGeometry) -> bool:
    side = geometry.patch_px
    try:
        stored = StoredPatches.open(path)
    except DataError:
        return False
    return stored.shape == (len(table.spot_ids), side, side, 3) and names_its_rows(path, "barcode", table.spot_ids)
