"""Keys that hold everything that decides the patches and the embeddings of a slide."""

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np

from histobench.contracts.encoder_card import Precision
from histobench.contracts.protocols import PatchGeometry, SlideImage
from histobench.data import SpotTable

__all__ = ["EmbeddingKey", "PatchKey"]


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
        Increased when cutting or resampling changes.
    """

    image: str
    spots: str
    geometry: PatchGeometry
    mpp: float | None
    recipe: int = 1

    @classmethod
    def of(cls, image: SlideImage, table: SpotTable, geometry: PatchGeometry) -> "PatchKey":
        """Return the key of a slide's patches; the image is hashed, not decoded."""
        cut = replace(geometry, upsampling=False)  # a permission, which changes no pixel
        return cls(image=image.content_hash(), spots=_hash_spots(table), geometry=cut, mpp=table.slide.mpp)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingKey:
    """Everything that decides the embeddings of a slide.

    Attributes
    ----------
    encoder
        Its name.
    identity
        The encoder's own hash of weights, pooling, normalisation and dtype.
    precision
        Precision in which the network computes.
    dtype
        Type in which the embeddings are stored.
    """

    patches: PatchKey
    encoder: str
    identity: str
    precision: Precision = "fp32"
    dtype: str = "float32"


def _hash_spots(table: SpotTable) -> str:
    positions = np.ascontiguousarray(table.xy_px, dtype="<f8")
    names = json.dumps(table.spot_ids)
    return hashlib.sha256(positions.tobytes() + names.encode()).hexdigest()
