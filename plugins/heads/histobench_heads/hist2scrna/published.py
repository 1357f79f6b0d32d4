"""Conversion of the checkpoints that the published training script of hist2scRNA writes; none is published."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from histobench import DataError
from histobench.weights import Converted, ConvertRequest, length, renamed

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert"]

# timm's names of the transformer's MLP, and the older name of the projection in the graph library (spec, section 6)
_RENAMED = {
    r"(vit\.blocks\.\d+\.mlp)\.0\.": r"\1.fc1.",
    r"(vit\.blocks\.\d+\.mlp)\.3\.": r"\1.fc2.",
    r"(spatial_gnn\.gat[12])\.lin_src\.": r"\1.lin.",
}
_GENE_HEADS = ("mu_decoder.", "theta_decoder.", "pi_decoder.")
_PER = 10_000.0
_HEAD_WIDTH = 64  # of every configuration that the specification lists: 384/6, 768/12, 256/4, 512/8


def convert(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a checkpoint of the training script, of either model.

    It does not hold the library size: converted weights predict ln(1 + counts). Nor does it hold the number of
    attention heads: a transformer whose width is a multiple of 64 gets heads of 64, as in all published configurations;
    any other gets the number in the options.

    Raises
    ------
    DataError
        If this is not such a checkpoint.
    """
    twice = [name for name in tensors if name.endswith(".lin_dst.weight")]  # the same tensor as lin_src
    is_light = any(name.startswith("feature_proj.") for name in tensors)
    left_out = dict.fromkeys(twice, "the same tensor as 'lin_src'")
    if request.kind == "label":
        names = request.target_names(length(tensors, "cell_type_head.bias"))
        unused = [name for name in tensors if name.startswith(_GENE_HEADS)]
        left_out.update(dict.fromkeys(unused, "genes are not predicted when labels are the target"))
    else:
        names = request.target_names(length(tensors, "mu_decoder.bias"))
        unused = [name for name in tensors if name.startswith("cell_type_head.")]
        left_out.update(dict.fromkeys(unused, "its classes have no names; convert it for labels to have them"))
    kept = {name: tensor for name, tensor in tensors.items() if name not in left_out}
    return Converted(
        tensors=renamed(kept, _RENAMED),
        facts={
            "kind": request.kind,
            "genes": () if request.kind == "label" else names,
            "classes": names if request.kind == "label" else (),
            "mean_total": _PER,
            "features": length(tensors, "feature_proj.0.weight", axis=1) if is_light else 0,
        },
        targets=names,
        options=_light_options(tensors) if is_light else _options(tensors),
        left_out=left_out,
    )


def _options(tensors: "Mapping[str, Tensor]") -> dict[str, Any]:  # Any: values of options
    token_px = length(tensors, "vit.patch_embed.proj.weight", axis=2)
    tokens = length(tensors, "vit.pos_embed", axis=1) - 1
    side = round(tokens**0.5)
    if side * side != tokens:
        raise DataError(f"tensor 'vit.pos_embed' must have a square number of tokens and one more, not {tokens + 1}.")
    blocks = {found[1] for name in tensors if (found := re.match(r"vit\.blocks\.(\d+)\.", name))}
    graph = any(name.startswith("spatial_gnn.") for name in tensors)
    sizes = {
        "token_px": token_px,
        "patch_px": side * token_px,
        "embed": length(tensors, "vit.pos_embed", axis=2),
        "depth": len(blocks),
        "graph": graph,
        "decoder": length(tensors, "decoder.0.bias"),
    }
    if sizes["embed"] % _HEAD_WIDTH == 0:
        sizes["heads"] = sizes["embed"] // _HEAD_WIDTH
    if graph:
        sizes["gnn_heads"] = length(tensors, "spatial_gnn.gat1.att_src", axis=1)
        sizes["gnn_hidden"] = length(tensors, "spatial_gnn.gat1.att_src", axis=2)
    return sizes


def _light_options(tensors: "Mapping[str, Tensor]") -> dict[str, Any]:  # Any: values of options
    width, last = length(tensors, "feature_proj.0.bias"), length(tensors, "decoder.0.bias")
    return {"width": width, "decoder": last // 2}
