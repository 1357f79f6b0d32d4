"""Hist2Cell's published checkpoints and numbers (``hist2cell.md``; ``abundance_protocol.md``, sections 3 and 10)."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from histobench import DataError
from histobench.published import Converted, ConvertRequest, length, renamed
from histobench_heads.reproductions import cuca_comparison

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["REPRODUCTIONS", "convert"]

REPRODUCTIONS = cuca_comparison(
    {"humanlung": 0.305, "her2st": 0.335, "stnet": 0.235},
    {"humanlung": 0.275, "her2st": 0.385, "stnet": 0.24},
    encoder="resnet18.imagenet@full",
    settings={"faithful": True},
)
"""As CUCA's authors ran it."""

# Children of the published backbone, a sequence of ResNet-18's, and their names in it. The original repository calls
# the backbone resnet18, CUCA's copy backbone; all other names are ours (hist2cell.md, "Parameters in order").
_RESNET = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}


def convert(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a checkpoint of the original repository or of CUCA's copy.

    Raises
    ------
    DataError
        If this is no such checkpoint.
    """
    if request.mode == "lora":
        raise DataError("hist2cell was published trained in full, and by CUCA on frozen encoders: use --mode full.")
    names = request.target_names(length(tensors, "fused_head.fc2.bias"))
    frozen = [name for name in tensors if name.startswith("backbone.encoder.")]
    inner = f"backbone.{request.encoder_prefix}"
    table = {rf"(?:resnet18|backbone)\.{child}\.": f"{inner}{name}." for child, name in _RESNET.items()}
    return Converted(
        tensors=renamed({name: tensor for name, tensor in tensors.items() if name not in frozen}, table),
        facts={"names": names, "dim": request.dim, "seed": 0},
        targets=names,
        options={
            "depth": len(
                {found[1] for name in tensors if (found := re.match(r"cell_transformer\.blocks\.(\d+)", name))}
            ),
            "final_relu": any(name.startswith("resnet18.") for name in tensors),  # the original's; CUCA's copy has none
            "faithful": True,  # the numbers of published weights are those of the published batches
        },
        left_out=dict.fromkeys(frozen, "the frozen encoder's own weights are used"),
    )
