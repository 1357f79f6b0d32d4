"""THItoGene's published checkpoints (``thitogene.md``, *Parameters in order*), of the authors and of CUCA's copy."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from histobench.weights import Converted, ConvertRequest, length, renamed
from histobench_heads.frames.slidewise.published import LAYERS, block_names, block_sizes

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NAMES", "convert"]

NAMES: Mapping[str, str] = {
    r"odconv2d\.": "maps.convolution.",
    **{rf"caps_layer\.conv{k}\.": f"capsules.stages.{k - 1}.conv." for k in range(1, 5)},
    **{rf"caps_layer\.batch_norm{k}\.": f"capsules.stages.{k - 1}.norm." for k in range(1, 5)},
    r"caps_layer\.primary_caps\.": "capsules.primary.",
    r"caps_layer\.digit_caps\.": "capsules.digits.",
    **block_names(LAYERS, "0", "1"),
    r"gat\.attention_(\d+)\.": r"graph.attentions.\1.",
    r"gat\.out_att\.": "graph.out_att.",
    r"gene_head\.": "head.",
}
"""Beginnings of the published names, as regular expressions → ours; the position tables have the same names."""


def convert(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a checkpoint of the authors' repository or of CUCA's copy, which use the same tensor names.

    The authors predict expression, CUCA predicts abundances.

    Raises
    ------
    DataError
        If this is not such a checkpoint.
    """
    names = request.target_names(length(tensors, "gene_head.3.bias"))
    ours = renamed(tensors, NAMES)
    return Converted(tensors=ours, facts={"targets": names, "beside": ()}, targets=names, options=_sizes(tensors, ours))


def _sizes(tensors: "Mapping[str, Tensor]", ours: "Mapping[str, Tensor]") -> dict[str, int]:
    """Read the options off the tensors: 4 blocks for her2st and 8 for cSCC; 64 positions, or 128 in CUCA's copy."""
    return {
        **block_sizes(ours),
        "width": length(ours, "capsules.stages.0.conv.weight"),
        "capsules": length(ours, "capsules.digits.W"),
        "route_dim": length(ours, "capsules.digits.W", axis=3),
        "hidden": length(ours, "blocks.0.ff.net.0.weight"),
        "graph_heads": len([name for name in tensors if re.fullmatch(r"gat\.attention_\d+\.W", name)]),
        "graph_dim": length(ours, "graph.attentions.0.W", axis=1),
        "embedding": length(ours, "graph.out_att.W", axis=1),
        "head_hidden": length(ours, "head.0.weight"),
    }
