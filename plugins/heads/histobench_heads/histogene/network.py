"""The HisToGene network: one token per spot, from its pixels and position, and a transformer over the slide.

Written from the specification ``histogene.md`` of Pang, Su & Li (2021), bioRxiv 2021.11.28.470212.
"""

from torch import Tensor, nn
from typing_extensions import override

from histobench_heads.frames.slidewise.memory import in_chunks, recomputed
from histobench_heads.frames.slidewise.slides import scaled
from histobench_heads.frames.transformer import Block
from histobench_heads.histogene.options import HisToGeneOptions

__all__ = ["HisToGeneNetwork", "PatchEmbedding"]


class PatchEmbedding(nn.Linear):
    """Map all pixels of a patch to one token; channel varies slowest, then row, then column."""

    def __init__(self, options: HisToGeneOptions) -> None:
        super().__init__(3 * options.patch_px**2, options.dim)
        self.inputs = options.inputs

    @override
    def forward(self, patches: Tensor) -> Tensor:
        """Turn (n, p, p, 3) uint8 into (n, dim)."""
        return super().forward(scaled(patches, self.inputs).flatten(1))


class HisToGeneNetwork(nn.Module):
    """Map the patches and positions of one slide to predictions."""

    def __init__(self, n_targets: int, options: HisToGeneOptions) -> None:
        super().__init__()
        self.options = options
        self.patch_embedding = PatchEmbedding(options)
        self.x_embed = nn.Embedding(options.n_pos, options.dim)
        self.y_embed = nn.Embedding(options.n_pos, options.dim)
        self.dropout = nn.Dropout(options.dropout)
        self.blocks = nn.ModuleList(
            Block(options.dim, heads=options.heads, hidden=options.hidden, dropout=options.dropout)
            for _ in range(options.depth)
        )
        self.gene_head = nn.Sequential(nn.LayerNorm(options.dim), nn.Linear(options.dim, n_targets))

    @override
    def forward(self, patches: Tensor, positions: Tensor) -> Tensor:
        """Predict (n, t) from (n, p, p, 3) uint8 patches and (n, 2) positions."""
        if self._saves_memory(len(patches)):
            embedded = in_chunks(self.patch_embedding, patches, spots=self.options.chunk_spots)
        else:
            embedded = self.patch_embedding(patches)
        predicted: Tensor = self.gene_head(self.tokens(embedded, positions))
        return predicted

    def tokens(self, embedded: Tensor, positions: Tensor) -> Tensor:
        """Add (n, 2) positions to (n, dim) embedded patches and let them attend to each other: (n, dim)."""
        placed: Tensor = self.dropout(embedded + self.x_embed(positions[:, 0]) + self.y_embed(positions[:, 1]))
        for block in self.blocks:
            placed = recomputed(block, placed) if self._saves_memory(len(placed)) else block(placed)
        return placed

    def _saves_memory(self, n_spots: int) -> bool:
        return n_spots > self.options.recompute_above
