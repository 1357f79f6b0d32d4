"""Embeddings of a slide's spots, computed once."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from histobench.cache import Cache, Entry
from histobench.contracts.protocols import Encoder, PatchGeometry, SlideImage
from histobench.data import Float, Slide, SpotTable
from histobench.errors import DataError, ShapeError
from histobench.images import is_upsampled
from histobench.images.embedding.compute import Compute, effective_precision, embedder
from histobench.images.embedding.keys import EmbeddingKey, PatchKey
from histobench.images.embedding.patches import slide_patches
from histobench.images.embedding.rows import RowWriter, names_its_rows, open_rows

__all__ = ["EMBEDDINGS", "check_resolution", "has_embeddings", "slide_embeddings"]

EMBEDDINGS = "embeddings"
"""Folder of the cache that holds them."""


def slide_embeddings(
    cache: Cache, encoder: Encoder, image: SlideImage, table: SpotTable, *, name: str, how: Compute | None = None
) -> Float:
    """Embed the patch of every spot of a slide, once; what is cached is neither decoded nor embedded again.

    Parameters
    ----------
    name
        The encoder's name.
    how
        Where the encoder runs, and in which precision; by default on the CPU in single precision.

    Returns
    -------
    (n, d) float32
        In the table's order.

    Raises
    ------
    DataError
        If the slide is coarser than the encoder's patches, and its geometry does not allow that.
    ShapeError
        If the encoder returns anything but finite (n, d) values.
    """
    settled = how or Compute()
    check_resolution(name, encoder.geometry, table.slide)
    n = len(table.spot_ids)

    def build(path: Path) -> None:
        patches = slide_patches(cache, image, table, encoder.geometry, workers=settled.workers)
        columns: dict[str, Float | Sequence[str]] = {"coords": table.xy_px, "barcodes": table.spot_ids}
        with RowWriter(path, EMBEDDINGS, shape=(n, encoder.dim), dtype="float32", columns=columns) as file:
            for first, batch in embedder(encoder, settled).embed(patches, file.done):
                _check_embeddings(name, batch, encoder.dim)
                file.write(first, batch)

    path = cache.make(
        _entry(encoder, image, table, name=name, how=settled),
        build=build,
        valid=lambda path: _holds_embeddings(path, table),
    )
    loaded: Float = np.array(open_rows(path, EMBEDDINGS).map())
    return loaded


def has_embeddings(
    cache: Cache, encoder: Encoder, image: SlideImage, table: SpotTable, *, name: str, how: Compute
) -> bool:
    """Return whether a slide's embeddings are in the cache."""
    entry = _entry(encoder, image, table, name=name, how=how)
    return cache.holds(entry, lambda path: _holds_embeddings(path, table))


def check_resolution(name: str, geometry: PatchGeometry, slide: Slide) -> None:
    """Refuse a slide that is coarser than a frozen encoder's patches, or warn if enlarging is allowed.

    Raises
    ------
    DataError
        If it is too coarse; the message names the option that allows it.
    """
    if not is_upsampled(geometry, slide.mpp) or geometry.mpp is None or slide.mpp is None:
        return
    coarse = f"slide {slide.id!r} has {slide.mpp:.3g} µm per pixel, coarser than the {geometry.mpp:g} of {name!r}"
    if not geometry.upsampling:
        raise DataError(f"{coarse}: --allow-upsampling enlarges it, and marks every result.")
    warnings.warn(f"{coarse}: its patches are enlarged {slide.mpp / geometry.mpp:.2f} times.", stacklevel=3)


def _entry(encoder: Encoder, image: SlideImage, table: SpotTable, *, name: str, how: Compute) -> Entry:
    key = EmbeddingKey(
        patches=PatchKey.of(image, table, encoder.geometry),
        encoder=name,
        identity=encoder.identity,
        precision=effective_precision(encoder, how.precision),
    )
    return Entry(kind=EMBEDDINGS, key=asdict(key), about={"slide": table.slide.id})


def _holds_embeddings(path: Path, table: SpotTable) -> bool:
    try:
        stored = open_rows(path, EMBEDDINGS)
    except DataError:
        return False
    return len(stored.shape) == 2 and stored.dtype == np.float32 and names_its_rows(path, "barcodes", table.spot_ids)


def _check_embeddings(name: str, batch: Float, dim: int) -> None:
    if batch.ndim != 2 or batch.shape[1] != dim:
        raise ShapeError(f"encoder {name!r}: embeddings must be (n, {dim}), got {batch.shape}.")
    if not np.isfinite(batch).all():
        raise ShapeError(f"encoder {name!r}: embeddings must be finite.")
