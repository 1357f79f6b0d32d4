"""The Hist2Cell network: a graph transformer over the spots of one batch.

Written from the specification of Zhao et al. (2024), bioRxiv 2024.02.17.580852. Sub-modules have the names of the
published checkpoints, so that their tensors can be matched one by one; only the inner names of the backbone are the
encoder's.

Normalisation and attention run over all nodes of a batch as one set: the prediction for a spot depends on the other
spots of its batch.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["GraphAttention", "GraphLayerNorm", "Hist2CellNetwork", "fuse"]

WIDTH = 256
"""Width E of all three branches."""

HEADS = 8
"""Attention heads, on the graph and in the transformer, of 32 dimensions each."""


class GraphAttention(nn.Module):
    """Let every node attend to its neighbours and itself (GATv2).

    Attention is a dense (m, m) table with minus infinity where there is no edge: a batch has about a hundred nodes, the
    tables of the transformer are as large, and sums in a fixed order are bit-identical on every run.

    Parameters
    ----------
    dim
        Width d of the node features.

    References
    ----------
    Brody, Alon & Yahav (2022), How attentive are graph attention networks?, ICLR, equation 7.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.att = nn.Parameter(torch.empty(1, HEADS, WIDTH // HEADS))
        self.bias = nn.Parameter(torch.zeros(WIDTH))
        self.lin_l = nn.Linear(dim, WIDTH)
        self.lin_r = nn.Linear(dim, WIDTH)
        for weight in (self.lin_l.weight, self.lin_r.weight, self.att):
            nn.init.xavier_uniform_(weight[0] if weight.ndim == 3 else weight)

    def forward(self, nodes: Tensor, edges: Tensor) -> Tensor:
        """Turn (m, d) features and (2, e) edges, source and target, into (m, 256)."""
        m = len(nodes)
        itself = torch.arange(m, device=nodes.device)
        source = torch.cat([edges[0], itself])  # exactly one self loop per node
        target = torch.cat([edges[1], itself])
        sent = self.lin_l(nodes).unflatten(1, (HEADS, -1))
        asked = self.lin_r(nodes).unflatten(1, (HEADS, -1))
        together = sent.index_select(0, source) + asked.index_select(0, target)
        logits = (self.att * functional.leaky_relu(together, 0.2)).sum(dim=-1)
        table = logits.new_full((m, m, HEADS), -torch.inf).index_put((target, source), logits)
        mixed = torch.einsum("tsh,shw->thw", table.softmax(dim=1), sent)
        return mixed.flatten(1) + self.bias


class GraphLayerNorm(nn.Module):
    """Normalise by one mean and deviation over all nodes and channels; epsilon is added to the deviation."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, nodes: Tensor) -> Tensor:
        """Normalise (m, dim)."""
        deviation = nodes.std(correction=0)
        return (nodes - nodes.mean()) / (deviation + 1e-5) * self.weight + self.bias


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them; dropout on the input and before the second."""

    def __init__(self, dim: int, hidden: int, out: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, out)
        self.dropout = nn.Dropout(dropout)

    def forward(self, nodes: Tensor) -> Tensor:
        """Turn (m, dim) into (m, out)."""
        hidden = functional.gelu(self.fc1(self.dropout(nodes)))
        out: Tensor = self.fc2(self.dropout(hidden))
        return out


class SelfAttention(nn.Module):
    """Let all nodes attend to all; (q | k | v), then heads, then 32 dimensions in one projection."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.dropout = nn.Dropout(dropout)

    def forward(self, nodes: Tensor) -> Tensor:
        """Mix (m, 256)."""
        queries, keys, values = self.qkv(nodes).unflatten(1, (3, HEADS, -1)).permute(1, 2, 0, 3)
        logits = queries @ keys.transpose(1, 2) / (WIDTH // HEADS) ** 0.5
        mixed = self.dropout(logits.softmax(dim=-1)) @ values
        out: Tensor = self.dropout(self.proj(mixed.transpose(0, 1).flatten(1)))
        return out


class Block(nn.Module):
    """One transformer block: x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.attn = SelfAttention(dropout)
        self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.mlp = Mlp(WIDTH, 2 * WIDTH, WIDTH, dropout=dropout)

    def forward(self, nodes: Tensor) -> Tensor:
        """Transform (m, 256)."""
        nodes = nodes + self.attn(self.norm1(nodes))
        out: Tensor = nodes + self.mlp(self.norm2(nodes))
        return out


class CellTransformer(nn.Module):
    """The global branch: blocks over all nodes as one sequence, without positions; and the head that reads it."""

    def __init__(self, n_targets: int, *, depth: int, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-5)
        self.head = Mlp(WIDTH, WIDTH // 2, n_targets)

    def forward(self, nodes: Tensor) -> Tensor:
        """Transform (m, 256), without the head."""
        out: Tensor = self.norm(self.blocks(nodes))
        return out


class Hist2CellNetwork(nn.Module):
    """Map the patches or embeddings of one batch, and its edges, to predictions.

    Parameters
    ----------
    backbone
        Maps the input of `forward` to (m, d): an encoder, or the identity for embeddings.
    dim
        Width d.
    n_targets
        Number t of targets.
    depth
        Transformer blocks.
    dropout
        In the blocks.
    final_relu
        Rectify the mean of the four branches.
    """

    def __init__(
        self, backbone: nn.Module, dim: int, *, n_targets: int, depth: int, dropout: float, final_relu: bool
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.conv1 = GraphAttention(dim)
        self.norm1 = GraphLayerNorm(WIDTH)
        self.cell_transformer = CellTransformer(n_targets, depth=depth, dropout=dropout)
        self.spot_fc = nn.Linear(dim, WIDTH)
        self.spot_head = Mlp(WIDTH, 4 * WIDTH, n_targets)
        self.local_head = Mlp(WIDTH, 4 * WIDTH, n_targets)
        self.fused_head = Mlp(WIDTH, 4 * WIDTH, n_targets)
        self.final_relu = final_relu

    def forward(self, images: Tensor, edges: Tensor) -> Tensor:
        """Predict the (m, t) targets of all nodes.

        Parameters
        ----------
        images
            (m, h, w, 3) uint8 patches, or (m, d) embeddings; each node once.
        edges
            (2, e) int64, source and target; self loops are added here.
        """
        spot, local, whole = self.branches(self.backbone(images), edges)
        by_whole = functional.relu(self.cell_transformer.head(whole))  # the one branch that is rectified
        by_branch = self.spot_head(spot) + self.local_head(local) + by_whole
        predicted: Tensor = (by_branch + self.fused_head(fuse(spot, local, whole))) / 4
        return functional.relu(predicted) if self.final_relu else predicted

    def branches(self, features: Tensor, edges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read (m, d) features spot by spot, among neighbours, and among all nodes: three times (m, 256)."""
        spot = self.spot_fc(features)
        local = self.norm1(self.conv1(features, edges))
        return spot, local, self.cell_transformer(local)


def fuse(spot: Tensor, local: Tensor, whole: Tensor) -> Tensor:
    """Average the three branches: the input of the fused head."""
    return (spot + local + whole) / 3
