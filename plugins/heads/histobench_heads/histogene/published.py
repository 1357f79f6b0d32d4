"""HisToGene's published checkpoints (``histogene.md``, Parameters in order)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from histobench.weights import Converted, ConvertRequest, length, renamed
from histobench_heads.frames.slidewise.published import count_layers

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert"]

_BLOCK = r"vit\.transformer\.layers\.(\d+)\."
# The published transformer alternates attention (0) and feed-forward (1); every other name is ours.
_NAMES = {
    rf"{_BLOCK}0\.norm\.": r"blocks.\1.attn.norm.",
    rf"{_BLOCK}0\.fn\.to_qkv\.": r"blocks.\1.attn.to_qkv.",
    rf"{_BLOCK}0\.fn\.to_out\.0\.": r"blocks.\1.attn.to_out.",
    rf"{_BLOCK}1\.norm\.": r"blocks.\1.ff.norm.",
    rf"{_BLOCK}1\.fn\.net\.": r"blocks.\1.ff.net.",
}


def convert(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a checkpoint of the authors (option ``inputs`` is ``original``) or of CUCA's copy (``adapted``).

    The authors flatten a patch column by column, each row by row, the three channels together; CUCA's copy channel by
    channel, row by row, as we do. The authors' first weights are permuted accordingly; their scale stays, because
    original inputs are numbers from 0 to 255 here too.

    Raises
    ------
    DataError
        If this is no such checkpoint.
    """
    names = request.target_names(length(tensors, "gene_head.1.bias"))
    side = round((length(tensors, "patch_embedding.weight", axis=1) / 3) ** 0.5)
    ours = renamed(tensors, _NAMES)
    if request.options.inputs == "original":
        by_column = ours["patch_embedding.weight"].view(-1, side, side, 3)
        ours["patch_embedding.weight"] = by_column.permute(0, 3, 2, 1).flatten(1)
    return Converted(
        tensors=ours,
        facts={"targets": names, "beside": ()},
        targets=names,
        options={
            "patch_px": side,
            "dim": length(tensors, "patch_embedding.weight"),
            "n_pos": length(tensors, "x_embed.weight"),
            "depth": count_layers(tensors, r"vit\.transformer\.layers"),
            "heads": length(ours, "blocks.0.attn.to_qkv.weight") // (3 * 64),
            "hidden": length(ours, "blocks.0.ff.net.0.weight"),
        },
    )
