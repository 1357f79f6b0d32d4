"""Attention along the edges of a graph, in memory that grows with nodes and edges and not with edges times width.

Attention needs only two sums: products of the vectors at the two ends of each edge, and weighted sums of
vectors over the edges into each node. Each is the other's derivative. Written with plain indexing, both keep one vector
per edge for the backward pass, six times the memory of the nodes on a hexagonal lattice; here both passes
process some edges at a time and keep only the nodes.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

__all__ = ["GraphTransformerLayer", "edge_products", "edge_sums", "softmax_by_target"]

_AT_ONCE = 2**19
"""Numbers that are gathered at a time: 2 MiB, which fit into the processor's cache."""


class GraphTransformerLayer(nn.Module):
    """Let every node attend to its source nodes, and add a projection of itself (TransformerConv with one head).

    ``lin_query(x_i) · lin_key(x_j) / √out`` is the attention of i to j; `lin_value` is the message of j and
    `lin_skip` the projection of i. A node without sources keeps only the latter.

    Where the layer widens, the scores are computed as x_i (W_qᵀ W_k) x_j and the vectors are summed before `lin_value`,
    biases as the weights of a constant 1: the same function on vectors of the input's width.

    References
    ----------
    Shi et al. (2021), Masked label prediction, *IJCAI*, section 3.1; ``gist.md``, section 4.1.
    """

    def __init__(self, dim: int, out: int) -> None:
        super().__init__()
        self.lin_key = nn.Linear(dim, out)
        self.lin_query = nn.Linear(dim, out)
        self.lin_value = nn.Linear(dim, out)
        self.lin_skip = nn.Linear(dim, out)

    @override
    def forward(self, nodes: Tensor, edges: Tensor) -> Tensor:
        """Turn (n, dim) nodes and (2, e) edges, source and target, into (n, out)."""
        widens = self.lin_key.in_features < self.lin_key.out_features
        mixed = self._mix_inputs(nodes, edges) if widens else self._mix_values(nodes, edges)
        kept: Tensor = self.lin_skip(nodes)
        return mixed + kept

    def _mix_values(self, nodes: Tensor, edges: Tensor) -> Tensor:
        asked, offered, sent = self.lin_query(nodes), self.lin_key(nodes), self.lin_value(nodes)
        return edge_sums(self._weigh(asked, offered, edges), sent, edges)

    def _mix_inputs(self, nodes: Tensor, edges: Tensor) -> Tensor:
        extended = functional.pad(nodes, (0, 1), value=1.0)
        query, key, value = (
            torch.cat([linear.weight, linear.bias[:, None]], dim=1)
            for linear in (self.lin_query, self.lin_key, self.lin_value)
        )
        weights = self._weigh(extended @ (query.T @ key), extended, edges)
        return edge_sums(weights, extended, edges) @ value.T

    def _weigh(self, asked: Tensor, offered: Tensor, edges: Tensor) -> Tensor:
        scores = edge_products(asked, offered, edges) / math.sqrt(self.lin_key.out_features)
        return softmax_by_target(scores, edges[1], len(asked))


def softmax_by_target(scores: Tensor, target: Tensor, n: int, /) -> Tensor:
    """Normalise (e,) scores over the edges into each of n nodes: (e,), as ``gist.md``, section 4.1 has it."""
    highest = scores.new_full((n,), -torch.inf).scatter_reduce(0, target, scores.detach(), "amax")
    powers = torch.exp(scores - highest[target])
    total = powers.new_zeros(n).index_add(0, target, powers)
    return powers / (total[target] + 1e-16)


def edge_products(at_target: Tensor, at_source: Tensor, edges: Tensor, /) -> Tensor:
    """Multiply (n, d) vectors at the target of each of (2, e) edges with (n, d) vectors at its source: (e,)."""
    products: Tensor = _EdgeProducts.apply(_exact(at_target), _exact(at_source), edges)
    return products


def edge_sums(weights: Tensor, sent: Tensor, edges: Tensor, /) -> Tensor:
    """Sum (n, d) vectors of the sources, weighted by (e,) numbers, at the target of each of (2, e) edges: (n, d)."""
    sums: Tensor = _EdgeSums.apply(_exact(weights), _exact(sent), edges)
    return sums


def _exact(values: Tensor) -> Tensor:
    """Keep sums over edges out of reduced precision."""
    return values if values.dtype == torch.float64 else values.float()


class _EdgeProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, at_target: Tensor, at_source: Tensor, edges: Tensor) -> Tensor:  # Any: torch's context
        ctx.save_for_backward(at_target, at_source, edges)
        return _products(at_target, at_source, edges)

    @staticmethod
    def backward(ctx: Any, wanted: Tensor) -> tuple[Tensor, Tensor, None]:
        at_target, at_source, edges = ctx.saved_tensors
        return _sums(wanted, at_source, edges), _sums(wanted, at_target, edges.flip(0)), None


class _EdgeSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, sent: Tensor, edges: Tensor) -> Tensor:
        ctx.save_for_backward(weights, sent, edges)
        return _sums(weights, sent, edges)

    @staticmethod
    def backward(ctx: Any, wanted: Tensor) -> tuple[Tensor, Tensor, None]:
        weights, sent, edges = ctx.saved_tensors
        return _products(wanted, sent, edges), _sums(weights, wanted, edges.flip(0)), None


def _products(at_target: Tensor, at_source: Tensor, edges: Tensor) -> Tensor:
    found = at_target.new_empty(edges.shape[1])
    for some in _runs(edges, at_target.shape[1]):
        source, target = edges[:, some]
        found[some] = (at_target.index_select(0, target) * at_source.index_select(0, source)).sum(dim=1)
    return found


def _sums(weights: Tensor, sent: Tensor, edges: Tensor) -> Tensor:
    found = torch.zeros_like(sent)
    for some in _runs(edges, sent.shape[1]):
        source, target = edges[:, some]
        found.index_add_(0, target, weights[some, None] * sent.index_select(0, source))
    return found


def _runs(edges: Tensor, width: int) -> Iterator[slice]:
    length = max(1, _AT_ONCE // width)
    return (slice(start, start + length) for start in range(0, edges.shape[1], length))
