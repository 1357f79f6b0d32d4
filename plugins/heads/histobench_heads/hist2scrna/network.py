"""The networks of hist2scRNA: a vision transformer, graph attention between spots, and heads for counts and class.

Written from ``hist2scrna.md``, sections 4 and 5. Sub-modules have the published names, so that tensors can be matched
one by one; only the inner names of the vision transformer's MLP are timm's.
"""

import math
from functools import partial
from typing import NamedTuple

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histobench_heads.frames.zinb import Zinb
from histobench_heads.hist2scrna.options import Hist2ScrnaLightOptions, Hist2ScrnaOptions

__all__ = ["CountNetwork", "GraphAttention", "Hist2ScrnaLightNetwork", "Hist2ScrnaNetwork", "Said"]

_MEAN = (0.7, 0.6, 0.7)  # spec, section 2.2
_DEVIATION = (0.15, 0.15, 0.15)


class Said(NamedTuple):
    """The output of a network for n spots.

    Attributes
    ----------
    zinb
        Of the counts, (n, g) each; g is 0 for a network without genes.
    logits
        (n, c) of the classes; c is 0 for a network without classes.
    features
        (n, w) input of the heads.
    """

    zinb: Zinb
    logits: Tensor
    features: Tensor

    def rows(self, rows: slice | Tensor) -> "Said":
        """Keep some spots."""
        return Said(Zinb(*(part[rows] for part in self.zinb)), self.logits[rows], self.features[rows])


class CountNetwork(nn.Module):
    """The heads that both networks share.

    Parameters
    ----------
    width
        Width of the input of the heads.
    n_genes, n_classes
        0 for no such head.
    """

    def __init__(self, width: int, *, n_genes: int, n_classes: int) -> None:
        super().__init__()
        self.mu_decoder, self.theta_decoder, self.pi_decoder, self.cell_type_head = (
            nn.Linear(width, n) if n else None for n in (n_genes, n_genes, n_genes, n_classes)
        )

    @torch.no_grad()
    def start_at(self, counts: Tensor) -> None:
        """Start with the mean of (n, g) counts as the expectation at every spot."""
        if self.mu_decoder is not None:
            self.mu_decoder.bias.copy_(torch.log(counts.mean(dim=0) + 1 / len(counts)))

    def say(self, features: Tensor) -> Said:
        """Read (n, w) features."""
        heads = (self.mu_decoder, self.theta_decoder, self.pi_decoder, self.cell_type_head)
        mean, dispersion, zero, logits = (features[:, :0] if head is None else head(features) for head in heads)
        return Said(Zinb(mean, dispersion, zero), logits, features)


class GraphAttention(nn.Module):
    """Let every spot attend to the spots linked to it, and to itself (GAT).

    Parameters
    ----------
    dim, width, heads
        Width of the input, width of the output of a head, and number of heads, whose outputs are concatenated.
    dropout
        Of the attention.

    References
    ----------
    Veličković et al. (2018), Graph attention networks, ICLR.
    """

    def __init__(self, dim: int, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.lin = nn.Linear(dim, heads * width, bias=False)
        self.att_src = nn.Parameter(torch.empty(1, heads, width))
        self.att_dst = nn.Parameter(torch.empty(1, heads, width))
        self.bias = nn.Parameter(torch.zeros(heads * width))
        self.dropout = nn.Dropout(dropout)
        nn.init.xavier_uniform_(self.lin.weight)
        for attention in (self.att_src, self.att_dst):
            nn.init.xavier_uniform_(attention[0])

    @override
    def forward(self, spots: Tensor, edges: Tensor) -> Tensor:
        """Turn (n, dim) and (2, e) edges, source and target, into (n, heads · width)."""
        sent = self.lin(spots).unflatten(1, self.att_src.shape[1:])
        by_source, by_target = ((sent * attention).sum(dim=2) for attention in (self.att_src, self.att_dst))
        itself = torch.arange(len(spots), device=spots.device)
        between = edges[:, edges[0] != edges[1]]
        source, target = torch.cat([between[0], itself]), torch.cat([between[1], itself])
        logits = functional.leaky_relu(by_source[source] + by_target[target], 0.2)
        weights = self.dropout(_softmax(logits, target, len(spots)))
        mixed = torch.zeros_like(sent).index_add(0, target, weights.unsqueeze(2) * sent[source])
        return mixed.flatten(1) + self.bias


def _softmax(logits: Tensor, target: Tensor, n: int) -> Tensor:
    """Normalise (e, heads) logits over the edges into each of n targets."""
    place = target.unsqueeze(1).expand_as(logits)
    highest = logits.new_full((n, logits.shape[1]), -torch.inf).scatter_reduce(0, place, logits.detach(), "amax")
    powers = torch.exp(logits - highest[target])
    total = torch.zeros_like(highest).index_add(0, target, powers)
    return powers / (total[target] + 1e-16)


class _SpatialGnn(nn.Module):
    def __init__(self, dim: int, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.gat1 = GraphAttention(dim, width, heads=heads, dropout=dropout)
        self.gat2 = GraphAttention(heads * width, width, heads=1, dropout=dropout)
        self.dropout = nn.Dropout(dropout)

    @override
    def forward(self, spots: Tensor, edges: Tensor) -> Tensor:
        near = self.dropout(functional.elu(self.gat1(spots, edges)))
        out: Tensor = self.gat2(near, edges)
        return out


class Hist2ScrnaNetwork(CountNetwork):
    """The full model: maps patches and links to counts and class."""

    def __init__(self, options: Hist2ScrnaOptions, *, n_genes: int, n_classes: int) -> None:
        super().__init__(2 * options.decoder, n_genes=n_genes, n_classes=n_classes)
        dropout = options.dropout
        self.vit = _transformer(options)
        self.spatial_gnn = None
        if options.graph:
            self.spatial_gnn = _SpatialGnn(options.embed, options.gnn_hidden, heads=options.gnn_heads, dropout=dropout)
        self.decoder = nn.Sequential(
            *_layer(options.gnn_hidden if options.graph else options.embed, options.decoder, dropout),
            *_layer(options.decoder, 2 * options.decoder, dropout),
        )

    @override
    def forward(self, patches: Tensor, edges: Tensor) -> Said:
        """Read (n, side, side, 3) uint8 patches and (2, e) edges, source and target."""
        return self.read(self.encode(patches), edges)

    def encode(self, patches: Tensor) -> Tensor:
        """Turn (n, side, side, 3) uint8 patches into (n, embed), each independently."""
        mean, deviation = (patches.new_tensor(colour, dtype=torch.float32) for colour in (_MEAN, _DEVIATION))
        images = (patches / 255 - mean) / deviation
        encoded: Tensor = self.vit(images.permute(0, 3, 1, 2))
        return encoded

    def read(self, encoded: Tensor, edges: Tensor) -> Said:
        """Compute the output from (n, embed) encoded spots and their links."""
        if self.spatial_gnn is not None:
            encoded = self.spatial_gnn(encoded, edges)
        return self.say(self.decoder(encoded))


class Hist2ScrnaLightNetwork(CountNetwork):
    """The lightweight model: maps embeddings to counts and class.

    Parameters
    ----------
    dim
        Width of the embedding.
    """

    def __init__(self, options: Hist2ScrnaLightOptions, dim: int, *, n_genes: int, n_classes: int) -> None:
        super().__init__(2 * options.decoder, n_genes=n_genes, n_classes=n_classes)
        dropout = options.dropout
        self._options = options
        if options.standardise:
            self.register_buffer("middle", torch.zeros(dim))
            self.register_buffer("spread", torch.ones(dim))
        self.feature_proj = nn.Sequential(*_layer(dim, options.width, dropout))
        self.spatial_attn = nn.MultiheadAttention(options.width, options.heads, dropout=dropout, batch_first=True)
        self.decoder = nn.Sequential(*_layer(options.width, 2 * options.decoder, dropout))

    def measure(self, embeddings: Tensor) -> None:
        """Set the mean and deviation of (n, d) embeddings to standardise by, with the option ``standardise``."""
        if self._options.standardise:
            self.middle, self.spread = embeddings.mean(dim=0), embeddings.std(dim=0).clamp(min=1e-6)

    @override
    def forward(self, embeddings: Tensor, places: Tensor | None = None) -> Said:
        """Read groups of spots.

        Parameters
        ----------
        embeddings
            (b, s, d): b groups of s spots; or (b, d): single spots.
        places
            (b, s, 2) in spot pitches; used only with ``positions``.

        Returns
        -------
        Said
            Of b · s spots, group by group; of b groups if they are pooled.
        """
        if self._options.standardise:
            embeddings = (embeddings - self.middle) / self.spread
        groups = embeddings if embeddings.ndim == 3 else embeddings.unsqueeze(1)
        spots = self.feature_proj(groups)
        if self._options.positions and places is not None:
            spots = spots + _waves(places, spots.shape[2])
        mixed, _ = self.spatial_attn(spots, spots, spots, need_weights=False)
        if self._options.residual:
            mixed = spots + mixed
        pooled = mixed.mean(dim=1) if self._options.pool == "mean" else mixed.flatten(0, 1)
        return self.say(self.decoder(pooled))


def _transformer(options: Hist2ScrnaOptions) -> VisionTransformer:
    dropout = options.dropout
    transformer = VisionTransformer(
        img_size=options.patch_px,
        patch_size=options.token_px,
        embed_dim=options.embed,
        depth=options.depth,
        num_heads=options.heads,
        num_classes=0,
        pos_drop_rate=dropout,
        proj_drop_rate=dropout,
        attn_drop_rate=dropout,
        norm_layer=partial(nn.LayerNorm, eps=1e-5),
        weight_init="skip",  # linear layers and convolutions keep torch's initialisation, as published
    )
    for tokens in (transformer.pos_embed, transformer.cls_token):
        nn.init.trunc_normal_(tokens, std=0.02)
    return transformer


def _layer(dim: int, out: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(dim, out), nn.LayerNorm(out), nn.ReLU(), nn.Dropout(dropout)]


def _waves(places: Tensor, width: int) -> Tensor:
    """Encode (b, s, 2) positions by sines and cosines of wavelengths from 2π to 200π pitches: (b, s, width)."""
    n = width // 4
    rates = torch.exp(-math.log(100) * torch.arange(n, device=places.device) / n)
    turns = places.unsqueeze(3) * rates
    return torch.cat([turns.sin(), turns.cos()], dim=3).flatten(2)
