"""The THItoGene network: every spot of one slide at once, from patches, positions and neighbours to predictions.

Written from the specification ``thitogene.md`` (Jia et al. 2024, *Brief. Bioinform.* 25(1), bbad464).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from histobench_heads.frames.slidewise.memory import recomputed
from histobench_heads.frames.slidewise.slides import scaled
from histobench_heads.frames.transformer import Block
from histobench_heads.thitogene.capsules import CapsuleEncoder
from histobench_heads.thitogene.dynamic_convolution import DynamicConvolution, map_side
from histobench_heads.thitogene.graph_attention import GraphAttention, Links
from histobench_heads.thitogene.options import ThitogeneOptions

__all__ = ["PatchMaps", "ThitogeneNetwork"]


class PatchMaps(nn.Module):
    """Map (n, p, p, 3) uint8 patches to (n, w/2, s, s) maps: scaling, dynamic convolution, ReLU."""

    def __init__(self, options: ThitogeneOptions) -> None:
        super().__init__()
        self.convolution = DynamicConvolution(options.width // 2, stride=options.stride)
        self._options = options

    def forward(self, patches: Tensor) -> Tensor:
        """Turn (n, p, p, 3) uint8 patches, or (n, 3, p, p) images in the network's own scale, into maps."""
        images = self._scaled(patches) if patches.dtype == torch.uint8 else patches
        return functional.relu(self.convolution(images), inplace=True)

    def _scaled(self, patches: Tensor) -> Tensor:
        images = scaled(patches, self._options.inputs)
        # the authors' patches have the horizontal axis first, and their weights were trained with them
        return images.transpose(2, 3) if self._options.inputs == "original" else images


class ThitogeneNetwork(nn.Module):
    """Predict all spots of one slide.

    Parameters
    ----------
    n_targets
        Number t of targets.
    """

    def __init__(self, options: ThitogeneOptions, n_targets: int) -> None:
        super().__init__()
        dim = (options.capsules + 2) * options.route_dim
        dropout = options.dropout
        self.maps = PatchMaps(options)
        self.capsules = CapsuleEncoder(
            options.width,
            map_side(options.patch_px, options.stride),
            capsules=options.capsules,
            dim=options.route_dim,
        )
        self.x_embed = nn.Embedding(options.n_pos, options.route_dim)
        self.y_embed = nn.Embedding(options.n_pos, options.route_dim)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(dim, heads=options.heads, hidden=options.hidden, dropout=dropout) for _ in range(options.depth)
        )
        self.graph = GraphAttention(
            dim,
            heads=options.graph_heads,
            width=options.graph_dim,
            out=options.embedding,
            dropout=dropout,
            axis=options.attention_axis,
        )
        self.head = nn.Sequential(
            nn.Linear(options.embedding, options.head_hidden),
            nn.ReLU(),
            nn.LayerNorm(options.head_hidden),
            nn.Linear(options.head_hidden, n_targets),
        )
        self._options = options

    def forward(self, patches: Tensor, positions: Tensor, edges: Tensor) -> Tensor:
        """Predict (n, t) targets; the arguments are those of `embed`."""
        out: Tensor = self.head(self.embed(patches, positions, edges))
        return out

    def embed(self, patches: Tensor, positions: Tensor, edges: Tensor) -> Tensor:
        """Return the (n, 512) result of graph attention.

        Parameters
        ----------
        patches
            (n, p, p, 3) uint8 patches, or (n, 3, p, p) images in the network's own scale.
        positions
            (n, 2) int64 column and row on the capture lattice.
        edges
            (2, e) int64 source, the neighbour, and receiver, the spot that sees it.
        """
        tokens = self._tokens(patches, positions)
        for block in self.blocks:
            tokens = block(tokens)
        links = Links.of(edges, len(tokens), self_loops=self._options.self_loops)
        out: Tensor = self.graph(tokens, links)
        return out

    def _tokens(self, patches: Tensor, positions: Tensor) -> Tensor:
        """Concatenate the capsules and the two position embeddings of each spot: (n, 1408)."""
        # in training, batch normalisation needs all spots together
        together = len(patches) if self.training else self._options.chunk_spots
        capsules = torch.cat([self._capsules(part) for part in torch.split(patches, together)])
        embedded = self.x_embed(positions[:, 0]), self.y_embed(positions[:, 1])
        tokens: Tensor = self.dropout(torch.cat([capsules.flatten(1), *embedded], dim=1))
        return tokens

    def _capsules(self, patches: Tensor) -> Tensor:
        """Compute the (n, k, d) capsules of the patches."""
        recompute = len(patches) > self._options.recompute_above
        maps = recomputed(self.maps, patches) if recompute else self.maps(patches)
        capsules: Tensor = self.capsules(maps, recompute=recompute)
        return capsules
