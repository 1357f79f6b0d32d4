"""From a slide's image to its patches and their embeddings, each made once and kept in the cache.

Patches are kept in HEST's layout (HDF5: ``img``, ``coords``, ``barcode``), uncompressed and contiguous, so that any
rows of them are read from a memory map without touching the rest. What decides an embedding stands in `PatchKey` and
`EmbeddingKey` and nowhere else.

References
----------
Jaume et al. (2024), HEST-1k, *NeurIPS*: the layout of the patch files.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from histobench.cache import Cache
from histobench.contracts import Encoder, PatchGeometry, SlideImage
from histobench.data import Float, Patches, SpotTable, UInt8
from histobench.errors import DataError, ShapeError
from histobench.images import cut_patches

__all__ = ["EmbeddingKey", "PatchKey", "PatchStack", "StoredPatches", "slide_embeddings", "slide_patches"]

BATCH = 64
"""Patches cut, or embedded, at a time; decides memory, never a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchKey:
    """Everything that decides the patches of a slide.

    Attributes
    ----------
    image
        Hash of the image's content.
    spots
        Hash of the spots' names and pixel positions, in order.
    mpp
        Microns per pixel of the image.
    recipe
        Raised when cutting or resampling changes.
    """

    image: str
    spots: str
    geometry: PatchGeometry
    mpp: float | None
    recipe: int = 1

    @classmethod
    def of(cls, image: SlideImage, table: SpotTable, geometry: PatchGeometry) -> "PatchKey":
        """Collect the key of a slide's patches; the image is hashed, not decoded."""
        return cls(image=image.content_hash(), spots=_hash_spots(table), geometry=geometry, mpp=table.slide.mpp)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingKey:
    """Everything that decides the embeddings of a slide.

    Attributes
    ----------
    encoder
        Its name.
    identity
        The encoder's own hash of weights, pooling, normalisation and dtype.
    dtype
        In which the embeddings are stored.
    """

    patches: PatchKey
    encoder: str
    identity: str
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class StoredPatches:
    """Patches in a file of HEST's layout, read when indexed; no handle is kept, so it travels to other processes.

    Attributes
    ----------
    path
        The HDF5 file; ``img`` must be uncompressed and contiguous.
    shape
        (n, h, w, 3).
    offset
        Where the first patch begins in the file, in bytes.
    """

    path: Path
    shape: tuple[int, int, int, int]
    offset: int

    @classmethod
    def open(cls, path: Path) -> "StoredPatches":
        """Find the patches in a file.

        Raises
        ------
        DataError
            If the file is damaged or not of this layout.
        """
        try:
            with h5py.File(path) as file:
                patches = file["img"]
                shape, offset, dtype = patches.shape, patches.id.get_offset(), patches.dtype
        except (OSError, KeyError) as error:
            raise DataError(f"{path}: not a file of patches: {error}; remove it.") from error
        if offset is None or dtype != np.uint8 or len(shape) != 4 or shape[3] != 3:
            raise DataError(
                f"{path}: 'img' must be (n, h, w, 3) uint8, contiguous and uncompressed, got {shape} {dtype}."
            )
        return cls(path, shape, offset)

    def __len__(self) -> int:
        """Count the patches."""
        return self.shape[0]

    def __getitem__(self, rows: Any, /) -> UInt8:  # Any: whatever numpy takes for an index of rows
        """Read patches: one row as (h, w, 3), several, in any order and with repeats, as (k, h, w, 3)."""
        stored = np.memmap(self.path, dtype=np.uint8, mode="r", offset=self.offset, shape=self.shape)
        return np.array(stored[rows])


class PatchStack:
    """Several stacks of patches of one size as one.

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
        """Read patches, touching only the parts they lie in; rows count through the parts in order."""
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


def slide_patches(cache: Cache, image: SlideImage, table: SpotTable, geometry: PatchGeometry) -> StoredPatches:
    """Cut the patch of every spot of a slide, once; the image is decoded only if they are not in the cache.

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

    def build(path: Path) -> None:
        pixels = image.read()
        n, side = len(table.spot_ids), geometry.patch_px
        with h5py.File(path, "w") as file:
            patches = file.create_dataset("img", (n, side, side, 3), np.uint8)
            for start in range(0, n, BATCH):
                centres = table.xy_px[start : start + BATCH]
                patches[start : start + BATCH] = cut_patches(pixels, centres, geometry, mpp=table.slide.mpp)
            file.create_dataset("coords", data=table.xy_px)
            file.create_dataset("barcode", data=list(table.spot_ids), dtype=h5py.string_dtype())

    path = cache.make(
        "patches",
        asdict(PatchKey.of(image, table, geometry)),
        build=build,
        valid=lambda path: _holds_patches(path, table, geometry),
        suffix=".h5",
    )
    return StoredPatches.open(path)


def slide_embeddings(
    cache: Cache,
    encoder: Encoder,
    image: SlideImage,
    table: SpotTable,
    *,
    name: str,
    device: str = "cpu",
) -> Float:
    """Embed the patch of every spot of a slide, once; whatever is cached is neither decoded nor embedded again.

    Parameters
    ----------
    name
        The encoder's name.
    device
        Where the encoder runs; no part of the key, for it does not decide the values beyond rounding.

    Returns
    -------
    (n, d) float32
        In the table's order.

    Raises
    ------
    ShapeError
        If the encoder returns anything but finite (n, d) values.
    """
    n = len(table.spot_ids)
    key = EmbeddingKey(patches=PatchKey.of(image, table, encoder.geometry), encoder=name, identity=encoder.identity)

    def build(path: Path) -> None:
        patches = slide_patches(cache, image, table, encoder.geometry)
        batches = [encoder.embed(patches[start : start + BATCH], device=device) for start in range(0, n, BATCH)]
        with np.errstate(over="ignore"):  # what does not fit is infinite, and refused below
            embeddings = np.concatenate(batches).astype(key.dtype)
        _check_embeddings(name, embeddings, (n, encoder.dim))
        with path.open("wb") as file:
            np.save(file, embeddings, allow_pickle=False)

    path = cache.make(
        "embeddings", asdict(key), build=build, valid=lambda path: _holds_embeddings(path, n), suffix=".npy"
    )
    loaded: Float = np.load(path, allow_pickle=False)
    return loaded


def _hash_spots(table: SpotTable) -> str:
    positions = np.ascontiguousarray(table.xy_px, dtype="<f8")
    names = json.dumps(table.spot_ids)
    return hashlib.sha256(positions.tobytes() + names.encode()).hexdigest()


def _holds_patches(path: Path, table: SpotTable, geometry: PatchGeometry) -> bool:
    side = geometry.patch_px
    try:
        # h5py refuses a file that is shorter than its header says
        stored = StoredPatches.open(path)
        with h5py.File(path) as file:
            names = tuple(file["barcode"].asstr()[:])
    except (DataError, OSError, KeyError):
        return False
    return stored.shape == (len(table.spot_ids), side, side, 3) and names == table.spot_ids


def _holds_embeddings(path: Path, n: int) -> bool:
    try:
        # a map of a file that is shorter than its header says is refused, and nothing is read
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return stored.ndim == 2 and len(stored) == n and stored.dtype == np.float32


def _check_embeddings(name: str, embeddings: Float, shape: tuple[int, int]) -> None:
    if embeddings.shape != shape:
        raise ShapeError(f"encoder {name!r}: embeddings must be {shape}, got {embeddings.shape}.")
    if not np.isfinite(embeddings).all():
        raise ShapeError(f"encoder {name!r}: embeddings must be finite.")
