"""THItoGene's published checkpoints (``thitogene.md``, *Parameters in order*), of the authors and of CUCA's copy."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from histobench.weights import Converted, ConvertRequest, length, renamed
from histobench_heads.frames.slidewise.published import count_layers

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NAMES", "convert"]

NAMES: Mapping[str, str] = {
    r"odconv2d\.": "maps.convolution.",
    **{rf"caps_layer\.conv{k}\.": f"capsules.stages.{k - 1}.conv." for k in range(1, 5)},
    **{rf"caps_layer\.batch_norm{k}\.": f"capsules.stages.{k - 1}.norm." for k in range(1, 5)},
    r"caps_layer\.primary_caps\.": "capsules.primary.",
    r"caps_layer\.digit_caps\.": "capsules.digits.",
    r"vit\.transformer\.layers\.(\d+)\.0\.norm\.": r"blocks.\1.attn.norm.",
    r"vit\.transformer\.layers\.(\d+)\.0\.fn\.to_qkv\.": r"blocks.\1.attn.to_qkv.",
    r"vit\.transformer\.layers\.(\d+)\.0\.fn\.to_out\.0\.": r"blocks.\1.attn.to_out.",
    r"vit\.transformer\.layers\.(\d+)\.1\.norm\.": r"blocks.\1.ff.norm.",
    r"vit\.transformer\.layers\.(\d+)\.1\.fn\.net\.": r"blocks.\1.ff.net.",
    r"gat\.attention_(\d+)\.": r"graph.attentions.\1.",
    r"gat\.out_att\.": "graph.out_att.",
    r"gene_head\.": "head.",
}
"""Beginnings of the published names, as regular expressions → ours; the position tables are called alike."""


def convert(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a checkpoint of the authors' repository or of CUCA's copy, which name their tensors alike.

    Which of them it is, the kind of target tells: the authors predict expression, CUCA abundances.

    Raises
    ------
    DataError
        If this is no such checkpoint.
    """
    names = request.target_names(length(tensors, "gene_head.3.bias"))
    ours = renamed(tensors, NAMES)
    return Converted(tensors=ours, facts={"targets": names, "beside": ()}, targets=names, options=_sizes(tensors, ours))


def _sizes(tensors: "Mapping[str, Tensor]", ours: "Mapping[str, Tensor]") -> dict[str, int]:
    """Read the options off the tensors: 4 blocks on her2st and 8 on cSCC, 64 places and 128 in CUCA's copy."""
    return {
        "n_pos": length(tensors, "x_embed.weight"),
        "width": length(ours, "capsules.stages.0.conv.weight"),
        "capsules": length(ours, "capsules.digits.W"),
        "route_dim": length(ours, "capsules.digits.W", axis=3),
        "depth": count_layers(tensors, r"vit\.transformer\.layers"),
        "heads": length(ours, "blocks.0.attn.to_qkv.weight") // (3 * 64),
        "hidden": length(ours, "blocks.0.ff.net.0.weight"),
        "graph_heads": len([name for name in tensors if re.fullmatch(r"gat\.attention_\d+\.W", name)]),
        "graph_dim": length(ours, "graph.attentions.0.W", axis=1),
        "embedding": length(ours, "graph.out_att.W", axis=1),
        "head_hidden": length(ours, "head.0.weight"),
    }
