"""Graph attention over the edges alone, with the published softmax over receivers or the intended one.

No (n, n) table is made. The dense form writes -9e15 where there is no edge. Its softmax is exactly zero there, unless a
whole column (or row) has no edge: then every entry is 1/n. The sparse form adds that share as one average to every row.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Axis", "GraphAttention", "GraphAttentionHead", "Links"]

Axis: TypeAlias = Literal["receivers", "neighbours"]
"""Over what the weights of a spot sum to one: the spots that see it, or the spots that it sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """The edges, prepared for sparse sums.

    Attributes
    ----------
    source, receiver
        (e,) int64: the receiver sees the source; sorted by receiver.
    offsets
        (n,) int64, where each receiver's edges begin.
    n
        Number of spots.
    """

    source: Tensor
    receiver: Tensor
    offsets: Tensor
    n: int

    @classmethod
    def of(cls, edges: Tensor, n: int, *, self_loops: bool) -> "Links":
        """Sort (2, e) edges, source and receiver; ``self_loops`` lets every spot see itself too."""
        if self_loops:
            itself = torch.arange(n, device=edges.device).expand(2, n)
            edges = torch.cat([edges[:, edges[0] != edges[1]], itself], dim=1)
        edges = edges[:, edges[1].argsort(stable=True)]
        counts = torch.bincount(edges[1], minlength=n)
        return cls(source=edges[0], receiver=edges[1], offsets=counts.cumsum(0) - counts, n=n)

    def weights(self, scores: Tensor, axis: Axis) -> Tensor:
        """Take the softmax of (e,) scores over the edges that share a source, or a receiver: (e,)."""
        group = self._group(axis)
        highest = scores.new_full((self.n,), -torch.inf).scatter_reduce(0, group, scores.detach(), "amax")
        raised = (scores - highest[group]).exp()
        return raised / raised.new_zeros(self.n).index_add(0, group, raised)[group]

    def alone(self, axis: Axis) -> Tensor:
        """Return which spots have no edge, because no spot sees them or they see none: (n,) bool."""
        return torch.bincount(self._group(axis), minlength=self.n) == 0

    def _group(self, axis: Axis) -> Tensor:
        return self.source if axis == "receivers" else self.receiver


class GraphAttentionHead(nn.Module):
    """One head of graph attention, from (n, d) to (n, w).

    References
    ----------
    Veličković et al. (2018), Graph attention networks, ICLR, equations 1-4.
    """

    def __init__(self, dim: int, width: int, *, dropout: float, axis: Axis) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.empty(dim, width))
        self.a = nn.Parameter(torch.empty(2 * width, 1))
        self._dropout = dropout
        self._axis: Axis = axis
        for parameter in (self.W, self.a):
            nn.init.xavier_uniform_(parameter, gain=1.414)

    def forward(self, nodes: Tensor, links: Links) -> Tensor:
        """Mix the projected nodes along the links: (n, w), before any activation.

        Dropout zeroes the weights of single edges. The dense form also drops single entries of a column or row without
        edges. Here that uniform share, an average over (almost) all spots, is kept whole, which is its expectation.
        """
        sent = nodes @ self.W
        asking, asked = self.a.squeeze(1).chunk(2)
        scores = functional.leaky_relu((sent @ asking)[links.receiver] + (sent @ asked)[links.source], 0.01)
        weights = functional.dropout(links.weights(scores, self._axis), self._dropout, self.training)
        mixed = functional.embedding_bag(
            links.source, sent, links.offsets, mode="sum", per_sample_weights=weights.to(sent.dtype)
        )
        return mixed + self._uniform_share(sent, links)

    def _uniform_share(self, sent: Tensor, links: Links) -> Tensor:
        """Return the share from spots that no spot sees, or the share of a spot that sees none."""
        alone = links.alone(self._axis).to(sent.dtype)
        if self._axis == "receivers":
            return (alone @ sent / links.n).expand_as(sent)
        return alone[:, None] * sent.mean(dim=0)


class GraphAttention(nn.Module):
    """Parallel heads and one head over all of them, each followed by an ELU.

    Parameters
    ----------
    dim
        Width of the node features.
    heads, width
        Number of heads and width of each.
    out
        Width of the result.
    """

    def __init__(self, dim: int, *, heads: int, width: int, out: int, dropout: float, axis: Axis) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(
            GraphAttentionHead(dim, width, dropout=dropout, axis=axis) for _ in range(heads)
        )
        self.out_att = GraphAttentionHead(heads * width, out, dropout=dropout, axis=axis)
        self.dropout = nn.Dropout(dropout)

    def forward(self, nodes: Tensor, links: Links) -> Tensor:
        """Turn (n, d) into (n, out)."""
        nodes = self.dropout(nodes)
        mixed = torch.cat([functional.elu(head(nodes, links)) for head in self.attentions], dim=1)
        return functional.elu(self.out_att(self.dropout(mixed), links))
