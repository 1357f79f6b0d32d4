"""What the conversions of the published checkpoints of the whole-slide methods share."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from histobench.weights import length

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LAYERS", "block_names", "block_sizes", "count_layers"]

LAYERS = r"vit\.transformer\.layers"
"""Where HisToGene and THItoGene keep their transformer blocks: attention is part 0 of a block, feed-forward part 1."""


def block_names(layers: str, attention: str, feed_forward: str) -> dict[str, str]:
    """Map the beginnings of the published names of transformer blocks, as regular expressions, to ours."""
    before = rf"{layers}\.(\d+)\."
    return {
        rf"{before}{attention}\.norm\.": r"blocks.\1.attn.norm.",
        rf"{before}{attention}\.fn\.to_qkv\.": r"blocks.\1.attn.to_qkv.",
        rf"{before}{attention}\.fn\.to_out\.0\.": r"blocks.\1.attn.to_out.",
        rf"{before}{feed_forward}\.norm\.": r"blocks.\1.ff.norm.",
        rf"{before}{feed_forward}\.fn\.net\.": r"blocks.\1.ff.net.",
    }


def block_sizes(tensors: "Mapping[str, Tensor]") -> dict[str, int]:
    """Read the size of the position tables and of the transformer off tensors under our names."""
    return {
        "n_pos": length(tensors, "x_embed.weight"),
        "depth": count_layers(tensors, "blocks"),
        "heads": length(tensors, "blocks.0.attn.to_qkv.weight") // (3 * 64),
    }


def count_layers(tensors: "Mapping[str, Tensor]", layers: str) -> int:
    """Count the layers ``layers.0``, ``layers.1``, … among the names of tensors."""
    return len({found[1] for name in tensors if (found := re.match(rf"{layers}\.(\d+)\.", name))})
