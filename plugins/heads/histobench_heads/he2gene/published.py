"""HE2Gene's published checkpoints, of Base and Spat (``he2gene.md``, section 4); no number is published."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from histobench.weights import Converted, ConvertRequest, length, renamed
from histobench_heads.frames.cards import HBCIS_MEAN, HBCIS_STD

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert"]

_HEADS = {"fc1": "target", "fc2": "aux", "fc3": "tumour", "fc": "target", "fc_aux": "aux", "fc_tmr": "tumour"}
"""Name of each head in Base or Spat → ours; the weights fit both methods, because both predict alike."""


def convert(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a checkpoint of Base or Spat: heads for genes, for other genes and for tumour.

    The checkpoint does not name genes. The first head gets the names of the user or the dataset; the other genes are
    numbered. Pixels are normalised by the published constants.

    Raises
    ------
    DataError
        If this is not such a checkpoint.
    """
    first, other = ("fc1", "fc2") if "fc1.bias" in tensors else ("fc", "fc_aux")
    names = request.target_names(length(tensors, f"{first}.bias"))
    n_others = length(tensors, f"{other}.bias")
    table = {rf"{published}\.": f"{ours}." for published, ours in _HEADS.items()}
    table[r"base_model\."] = f"backbone.{request.encoder_prefix}"
    bias = tensors[f"{first}.bias"].float()
    return Converted(
        tensors={
            **renamed(tensors, table),
            "pixels.mean": bias.new_tensor(HBCIS_MEAN),
            "pixels.std": bias.new_tensor(HBCIS_STD),
        },
        facts={
            "features": request.dim,
            "targets": names,
            "others": [f"other gene {place}" for place in range(1, n_others + 1)],
            "classes": ["tumour", "normal"],
            "tumour": ["tumour"],
            "seed": 0,
        },
        targets=names,
        options={"statistics": "training", "label_head": "tumour"},
    )
