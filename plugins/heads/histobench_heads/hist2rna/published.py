"""Conversion of hist2RNA's checkpoints; none is published, but both training scripts write them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from histobench.weights import Converted, ConvertRequest, length

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert"]


def convert(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a checkpoint of the two-step or the end-to-end script.

    Raises
    ------
    DataError
        If this is not such a checkpoint.
    """
    names = request.target_names(length(tensors, "output.0.bias"))
    backbone = [name for name in tensors if name.startswith("base_model.")]
    return Converted(
        tensors={name: tensor for name, tensor in tensors.items() if name not in backbone},
        facts={"names": names, "dim": length(tensors, "c1.0.weight", axis=1)},
        targets=names,
        left_out=dict.fromkeys(backbone, "the frozen encoder's own weights are used"),
    )
