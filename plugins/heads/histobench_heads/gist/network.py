"""GIST's network: a branch for the expression, one for the image, and one for both latents.

Written from ``gist.md``, sections 4 and 5; sub-modules carry the published names. Every published
checkpoint has the weights of two normalisations that are never applied.
"""

from typing import NamedTuple

from torch import Tensor, cat, nn
from torch.nn.functional import elu
from typing_extensions import override

from histobench_heads.gist.attention import GraphTransformerLayer

__all__ = ["Branches", "GistNetwork"]


class Branches(NamedTuple):
    """The outputs of the three branches for n spots.

    Attributes
    ----------
    gene_latent, image_latent, latent
        (n, latent) of the expression, of the image and of both; z_g, z_i and z_c of the specification.
    gene, image, combined
        (n, g) expression rebuilt from each: r_g, r_i and r_c. With ``use_img_loss`` the image branch rebuilds the
        (n, d) embedding.
    """

    gene_latent: Tensor
    image_latent: Tensor
    latent: Tensor
    gene: Tensor
    image: Tensor
    combined: Tensor


class GistNetwork(nn.Module):
    """Three auto-encoders on one graph.

    Parameters
    ----------
    n_genes, dim
        Width g of the expression and d of the embedding.
    """

    def __init__(self, n_genes: int, dim: int, *, hidden: int = 512, latent: int = 30, use_img_loss: bool = False):
        super().__init__()
        self.conv1 = GraphTransformerLayer(n_genes, hidden)
        self.conv2 = GraphTransformerLayer(hidden, latent)
        self.conv3 = GraphTransformerLayer(latent, hidden)
        self.conv4 = GraphTransformerLayer(hidden, n_genes)
        self.imgconv1 = GraphTransformerLayer(dim, hidden)
        self.imgconv2 = GraphTransformerLayer(hidden, latent)
        self.imgconv3 = GraphTransformerLayer(latent, hidden)
        self.imgconv4 = GraphTransformerLayer(hidden, dim if use_img_loss else n_genes)
        self.neck = GraphTransformerLayer(2 * latent, latent)
        self.neck2 = GraphTransformerLayer(latent, latent)
        self.c3 = GraphTransformerLayer(latent, hidden)
        self.c4 = GraphTransformerLayer(hidden, n_genes)
        self.norm1 = nn.LayerNorm(hidden)  # never applied, like the next one
        self.norm2 = nn.LayerNorm(latent)

    @override
    def forward(self, expression: Tensor, image: Tensor, edges: Tensor) -> Branches:
        """Read one section: (n, g) expression, (n, d) embeddings and (2, e) edges, source and target."""
        gene_latent = self.conv2(elu(self.conv1(expression, edges)), edges)
        image_latent = self.imgconv2(elu(self.imgconv1(image, edges)), edges)
        together = cat([gene_latent, image_latent], dim=1)
        latent = self.neck2(elu(self.neck(together, edges)), edges)
        return Branches(
            gene_latent=gene_latent,
            image_latent=image_latent,
            latent=latent,
            gene=self.conv4(elu(self.conv3(gene_latent, edges)), edges),
            image=self.imgconv4(elu(self.imgconv3(image_latent, edges)), edges),
            combined=self.c4(elu(self.c3(latent, edges)), edges),
        )
