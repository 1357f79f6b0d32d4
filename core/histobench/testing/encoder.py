"""A trainable encoder for tests: a thousand weights, any patch size, and blocks for LoRA."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from histobench.contracts.protocols import PatchGeometry
from histobench.data import Float, UInt8
from histobench.training import seeded

__all__ = ["ToyEncoder"]

_GRID = 4
_WEIGHTS_SEED = 0


class ToyEncoder:
    """Mean colours of a 4 × 4 grid, then two small blocks of linear layers; implements ``TrainableEncoder``."""

    def __init__(self, *, dim: int = 24, patch_px: int = 32) -> None:
        self._dim = dim
        self._geometry = PatchGeometry(patch_px=patch_px)
        self._frozen: nn.Module | None = None

    @property
    def dim(self) -> int:
        """Width of the embedding."""
        return self._dim

    @property
    def geometry(self) -> PatchGeometry:
        """Patches of the requested size."""
        return self._geometry

    @property
    def identity(self) -> str:
        """Name of the frozen weights: the width and the seed they are drawn from."""
        return f"toy-{self._dim}-{_WEIGHTS_SEED}"

    def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:
        """Embed patches with fixed random weights."""
        if self._frozen is None:
            with seeded(_WEIGHTS_SEED):
                self._frozen = self.module().eval()
        with torch.no_grad():
            embedded: Tensor = self._frozen.to(device)(torch.from_numpy(np.ascontiguousarray(patches)).to(device))
        return embedded.cpu().numpy()

    def module(self) -> nn.Module:
        """Return a new module."""
        return _Colours(self._dim)

    def lora_targets(self, last_blocks: int) -> Sequence[str]:
        """Return the names of both linear layers of the last blocks."""
        return [f"blocks.{block}.{layer}" for block in range(2)[-last_blocks:] for layer in ("up", "down")]


class _Colours(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.stem = nn.Linear(3 * _GRID**2, dim)
        self.blocks = nn.ModuleList([_Block(dim) for _ in range(2)])

    def forward(self, patches: Tensor) -> Tensor:
        """Turn (n, h, w, 3) uint8 into (n, dim) float32."""
        pixels = patches.permute(0, 3, 1, 2).float() / 127.5 - 1.0
        grid: Tensor = nn.functional.adaptive_avg_pool2d(pixels, _GRID)
        vectors: Tensor = self.stem(grid.flatten(1))
        for block in self.blocks:
            vectors = block(vectors)
        return vectors


class _Block(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.up = nn.Linear(dim, dim)
        self.down = nn.Linear(dim, dim)

    def forward(self, vectors: Tensor) -> Tensor:
        """Add the output of two layers to the vectors: (n, dim) to (n, dim)."""
        changed: Tensor = self.down(nn.functional.gelu(self.up(vectors)))
        return vectors + changed
