"""An encoder: mean colours of a grid."""

import numpy as np

from histobench import Float, PatchGeometry, UInt8

__all__ = ["GridColours"]

_CELLS = 4


class GridColours:
    """Embed a patch as the mean colours of a 4 x 4 grid; implements ``histobench.Encoder``."""

    dim = 3 * _CELLS**2
    identity = "grid-colours-1"  # raise the number when embeddings change

    def __init__(self, geometry: PatchGeometry | None) -> None:
        self.geometry = geometry or PatchGeometry()

    def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:
        """Embed (n, h, w, 3) uint8 patches as (n, 48) float32 in [0, 1]."""
        n, side = len(patches), patches.shape[1] // _CELLS
        inside = patches[:, : side * _CELLS, : side * _CELLS]
        cells = inside.reshape(n, _CELLS, side, _CELLS, side, 3).mean(axis=(2, 4), dtype=np.float64)
        embedded: Float = (cells.reshape(n, self.dim) / 255).astype(np.float32)
        return embedded
