"""Networks from records: timm's own, and three that are built from its parts.

CONCH's attention pool has one query, eight heads and no biases. CTransPath is a Swin-T with a convolutional stem. The
HEST benchmark uses a ResNet-50 up to the third stage. Facts: ``encoders.md`` of the specifications, sections 2 and 3.

Differences from the published encoders
---------------------------------------
* The epsilon of the normalisations around CONCH's pool is torch's 1e-5, because a checkpoint does not contain it.
"""

from collections.abc import Mapping
from functools import partial

import timm
import torch
from timm.layers import LayerNorm, SwiGLUPacked
from torch import Tensor, nn

from histobench_encoders.entry import TimmEntry

__all__ = ["AttentionPool", "ConchNetwork", "ConvolutionalStem", "make_trunk"]

_CLASSES: Mapping[str, object] = {
    "swiglu_packed": SwiGLUPacked,
    "layer_norm_1e-12": partial(LayerNorm, eps=1e-12),
}


def make_trunk(entry: TimmEntry, *, side: int | None = None, **more: object) -> nn.Module:
    """Build the network of a record, without classifier, with weights from torch's generator.

    Parameters
    ----------
    side
        Image side for the position embeddings of a transformer; ``None`` for any other network.
    more
        Further arguments for ``timm.create_model``.
    """
    classes = 0 if entry.pooling != "projected" else entry.dim
    kwargs: dict[str, object] = {"num_classes": classes, **entry.kwargs, **more}
    kwargs = {key: _CLASSES.get(value, value) if isinstance(value, str) else value for key, value in kwargs.items()}
    if side is not None:
        kwargs["img_size"] = side
    if entry.builder == "ctranspath":
        kwargs["embed_layer"] = ConvolutionalStem
    if entry.builder == "stage":
        del kwargs["num_classes"]
    trunk: nn.Module = timm.create_model(entry.arch, **kwargs)
    return ConchNetwork(trunk, entry.dim or 0) if entry.builder == "conch" else trunk


class AttentionPool(nn.Module):
    """One learned query that attends to all tokens: (n, tokens, context) to (n, width)."""

    def __init__(self, width: int, context: int, *, heads: int = 8) -> None:
        super().__init__()
        self._heads = heads
        self.query = nn.Parameter(torch.randn(1, width))
        self.ln_q = nn.LayerNorm(width)
        self.ln_k = nn.LayerNorm(context)
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_kv = nn.Linear(context, 2 * width, bias=False)
        self.to_out = nn.Linear(width, width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Pool (n, tokens, context) to (n, width)."""
        query = self.to_q(self.ln_q(self.query)).expand(len(tokens), 1, -1)
        keys, values = self.to_kv(self.ln_k(tokens)).chunk(2, dim=-1)
        attended = nn.functional.scaled_dot_product_attention(
            self._split(query), self._split(keys), self._split(values)
        )
        pooled: Tensor = self.to_out(attended.transpose(1, 2).flatten(2))
        return pooled[:, 0]

    def _split(self, vectors: Tensor) -> Tensor:
        """Split (n, tokens, width) into (n, heads, tokens, width / heads)."""
        n, tokens, width = vectors.shape
        return vectors.reshape(n, tokens, self._heads, width // self._heads).transpose(1, 2)


class ConchNetwork(nn.Module):
    """CONCH's image tower up to the commonly used embedding, without projection and without normalisation to one."""

    def __init__(self, trunk: nn.Module, width: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.attn_pool_contrast = AttentionPool(width, int(trunk.embed_dim))  # type: ignore[arg-type]  # timm's int
        self.ln_contrast = nn.LayerNorm(width)

    def forward(self, images: Tensor) -> Tensor:
        """Embed (n, 3, h, w) normalised images as (n, width)."""
        tokens = self.trunk.forward_features(images)  # type: ignore[operator]  # timm's, of any network
        pooled: Tensor = self.ln_contrast(self.attn_pool_contrast(tokens))
        return pooled


class ConvolutionalStem(nn.Module):
    """CTransPath's patch embedding: three convolutions from (n, 3, h, w) to (n, h / 4, w / 4, c).

    Parameters
    ----------
    img_size, patch_size, in_chans, embed_dim, norm_layer
        As passed by timm's Swin.
    others
        Further arguments from timm, which are ignored.
    """

    def __init__(
        self,
        img_size: tuple[int, int] = (224, 224),
        patch_size: int = 4,
        in_chans: int = 3,
        embed_dim: int = 96,
        norm_layer: type[nn.Module] = nn.LayerNorm,
        **others: object,
    ) -> None:
        del others
        super().__init__()
        self.img_size = img_size
        self.patch_size = (patch_size, patch_size)
        self.grid_size = (img_size[0] // patch_size, img_size[1] // patch_size)
        self.num_patches = self.grid_size[0] * self.grid_size[1]
        layers: list[nn.Module] = []
        width = in_chans
        for wider in (embed_dim // 8, embed_dim // 4):
            layers += [nn.Conv2d(width, wider, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
        self.proj = nn.Sequential(*layers, nn.Conv2d(width, embed_dim, 1))
        self.norm = norm_layer(embed_dim)

    def forward(self, images: Tensor) -> Tensor:
        """Embed (n, 3, h, w) as (n, h / 4, w / 4, c)."""
        embedded: Tensor = self.norm(self.proj(images).permute(0, 2, 3, 1))
        return embedded
