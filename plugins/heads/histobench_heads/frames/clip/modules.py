"""The contrastive model's modules and loss; layers have the published names."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histobench_heads.frames.clip.options import ClipOptions

__all__ = ["GeneClip", "GeneEncoder", "Projection", "Standardise", "clip_loss"]


class GeneEncoder(nn.Module):
    """The published "linear block": (n, N) expression to (n, q), with an activation after both layers."""

    def __init__(self, n_genes: int, width: int, *, hidden: int | None, dropout: float) -> None:
        super().__init__()
        self.l1 = nn.Linear(n_genes, hidden or n_genes)
        self.dropout = nn.Dropout(dropout)
        self.l2 = nn.Linear(hidden or n_genes, width)

    @override
    def forward(self, expression: Tensor) -> Tensor:
        hidden = self.dropout(functional.gelu(self.l1(expression)))
        return functional.gelu(self.l2(hidden))


class Projection(nn.Module):
    """The published projection head: (n, q) to (n, latent)."""

    def __init__(self, width: int, latent: int, *, dropout: float, residual: bool, norm_latent: bool) -> None:
        super().__init__()
        self.projection = nn.Linear(width, latent)
        self.fc = nn.Linear(latent, latent)
        self.dropout = nn.Dropout(dropout)
        self.residual = residual
        self.layer_norm = nn.LayerNorm(latent) if norm_latent else nn.Identity()

    @override
    def forward(self, features: Tensor) -> Tensor:
        projected = self.projection(features)
        output = self.dropout(self.fc(functional.gelu(projected)))
        if self.residual:
            output = output + projected
        normed: Tensor = self.layer_norm(output)
        return normed


class Standardise(nn.Module):
    """Scale (n, d) features to mean 0 and variance 1 on the training spots; the identity before `measure`."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def measure(self, features: Tensor) -> None:
        """Set mean and deviation from (n, d) training features; a constant feature keeps its scale."""
        deviation = features.std(dim=0, correction=0)
        self.mean.copy_(features.mean(dim=0))
        self.deviation.copy_(torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation)))

    @override
    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.deviation


class GeneClip(nn.Module):
    """Embed patches and expression in one space.

    Parameters
    ----------
    n_genes
        Genes of the vocabulary, N.
    image_dim
        Width of the frozen encoder's features, and of the gene encoder.
    """

    def __init__(self, n_genes: int, image_dim: int, options: ClipOptions) -> None:
        super().__init__()
        self.latent_dim = options.latent_dim
        self.standardise = Standardise(image_dim) if options.standardise else nn.Identity()
        self.image_projection = _projection(image_dim, options)
        self.gene_encoder = GeneEncoder(n_genes, image_dim, hidden=options.hidden_dim, dropout=options.dropout)
        self.gene_projection = _projection(image_dim, options)

    def image(self, features: Tensor) -> Tensor:
        """Embed the frozen encoder's features (n, d): (n, latent) of length 1."""
        return functional.normalize(self.image_projection(self.standardise(features)), dim=1, eps=1e-12)

    def genes(self, expression: Tensor) -> Tensor:
        """Embed normalised log expression (n, N), genes in the vocabulary's order: (n, latent) of length 1."""
        return functional.normalize(self.gene_projection(self.gene_encoder(expression)), dim=1, eps=1e-12)

    @override
    def forward(self, features: Tensor, expression: Tensor) -> tuple[Tensor, Tensor]:
        return self.image(features), self.genes(expression)


def clip_loss(image: Tensor, genes: Tensor, temperature: float) -> Tensor:
    """Average the cross-entropies of finding each of (n, q) images among the (n, q) expressions and vice versa."""
    similarity = genes @ image.T / temperature
    here = torch.arange(len(similarity), device=similarity.device)
    return (functional.cross_entropy(similarity, here) + functional.cross_entropy(similarity.T, here)) / 2


def _projection(width: int, options: ClipOptions) -> Projection:
    return Projection(
        width,
        options.latent_dim,
        dropout=options.dropout,
        residual=options.residual,
        norm_latent=options.norm_latent,
    )
