"""HisToGene's published checkpoints (``histogene.md``, Parameters in order)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from histobench.weights import Converted, ConvertRequest, length, renamed
from histobench_heads.frames.slidewise.published import LAYERS, block_names, block_sizes

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert"]


def convert(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a checkpoint of the authors (option ``inputs`` is ``original``) or of CUCA's copy (``adapted``).

    The authors flatten a patch by column, then row, then channel; CUCA's copy by channel, then row, then column, as we
    do. The authors' first weights are permuted accordingly. Their scale is kept, because original inputs are numbers
    from 0 to 255 here too.

    Raises
    ------
    DataError
        If this is not such a checkpoint.
    """
    names = request.target_names(length(tensors, "gene_head.1.bias"))
    side = round((length(tensors, "patch_embedding.weight", axis=1) / 3) ** 0.5)
    ours = renamed(tensors, block_names(LAYERS, "0", "1"))
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
            **block_sizes(ours),
            "hidden": length(ours, "blocks.0.ff.net.0.weight"),
        },
    )
