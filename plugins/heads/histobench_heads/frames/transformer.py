"""Pre-norm transformer blocks over the spots of one slide, as HisToGene, Hist2ST and THItoGene publish them.

Written from the specifications ``histogene.md``, ``hist2st.md`` and ``thitogene.md``. Attention is exact and computed
by torch's fused kernel, which never holds an (n, n) table: memory grows with the number of spots, not its square.
"""

from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

__all__ = ["HEAD_DIM", "Attention", "Block", "FeedForward"]

HEAD_DIM = 64
"""Dimensions of an attention head, in all three publications; logits are divided by its root."""


class Attention(nn.Module):
    """Let every spot attend to all spots of the slide; normalised first, without dropout on the probabilities.

    Parameters
    ----------
    dim
        Width of a spot's token.
    heads
        Of 64 dimensions each; together they need not be as wide as the token.
    dropout
        On what comes out.
    """

    def __init__(self, dim: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.to_qkv = nn.Linear(dim, 3 * heads * HEAD_DIM, bias=False)
        self.to_out = nn.Linear(heads * HEAD_DIM, dim)
        self.dropout = nn.Dropout(dropout)

    @override
    def forward(self, tokens: Tensor) -> Tensor:
        """Mix (n, dim)."""
        split = self.to_qkv(self.norm(tokens)).unflatten(1, (3, self.heads, HEAD_DIM))
        queries, keys, values = split.permute(1, 2, 0, 3).unsqueeze(1)  # each (1, heads, n, 64)
        mixed = functional.scaled_dot_product_attention(queries, keys, values)
        out: Tensor = self.dropout(self.to_out(mixed[0].transpose(0, 1).flatten(1)))
        return out


class FeedForward(nn.Module):
    """Two linear layers with an exact GELU between them; normalised first, dropout after each."""

    def __init__(self, dim: int, hidden: int, *, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.net = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim), nn.Dropout(dropout)
        )

    @override
    def forward(self, tokens: Tensor) -> Tensor:
        """Transform each of (n, dim) by itself."""
        out: Tensor = self.net(self.norm(tokens))
        return out


class Block(nn.Module):
    """One transformer block: x + attention(x), then x + feed-forward(x), each of which normalises first."""

    def __init__(self, dim: int, *, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attn = Attention(dim, heads=heads, dropout=dropout)
        self.ff = FeedForward(dim, hidden, dropout=dropout)

    @override
    def forward(self, tokens: Tensor) -> Tensor:
        """Transform (n, dim)."""
        tokens = tokens + self.attn(tokens)
        out: Tensor = tokens + self.ff(tokens)
        return out
