"""CUCA's and CUCAMLP's published checkpoints (``cuca.md``, "Parameters in order"), and CUCA's numbers."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from histobench import DataError
from histobench.published import Converted, ConvertRequest, length, renamed
from histobench_heads.reproductions import cuca_comparison

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["REPRODUCTIONS", "convert"]

REPRODUCTIONS = cuca_comparison(
    {"humanlung": 0.375, "her2st": 0.353, "stnet": 0.273},
    {"humanlung": 0.34, "her2st": 0.40, "stnet": 0.25},
    encoder="virchow2@lora",
    printed=True,
)
"""Its authors' own numbers."""

_ENCODER = r"backbone\.encoder\.(?:base_model\.model\.)?"
"""Before the encoder's own names; peft puts the second part around what it adapts."""

_ADAPTER = re.compile(_ENCODER + r"(.*\.(\d+)\..*)\.lora_([AB])\.")


def convert(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a checkpoint of CUCA (``split_<k>/ckpt_<k>.pth``), or of CUCAMLP in mode ``frozen``.

    Raises
    ------
    DataError
        If this is no such checkpoint, or of another mode.
    """
    adapters = [found for name in tensors if (found := _ADAPTER.match(name))]
    if bool(adapters) != (request.mode == "lora"):
        have = "adapters" if adapters else "no adapters"
        raise DataError(f"the checkpoint holds {have}, which mode {request.mode!r} does not: give its own with --mode.")
    names = request.target_names(length(tensors, "regression_head.bias"))
    n_genes = length(tensors, "snn_branch.fc_omic.0.0.weight", axis=1)
    frozen = [n for n in tensors if adapters and re.match(_ENCODER, n) and not _ADAPTER.match(n)]
    kept = {name: tensor for name, tensor in tensors.items() if name not in frozen}
    return Converted(
        tensors=renamed(kept, {_ENCODER: f"backbone.{request.encoder_prefix}"}),
        facts={
            "features": request.dim,
            "targets": names,
            # the molecular branch is of no use in prediction, and the publisher names no gene
            "auxiliary": [f"gene {place}" for place in range(1, n_genes + 1)],
            "mode": request.mode,
            "seed": 0,
        },
        targets=names,
        options=_options(tensors, adapters),
        left_out=dict.fromkeys(frozen, "the frozen encoder's own weights are used"),
    )


def _options(tensors: "Mapping[str, Tensor]", adapters: list[re.Match[str]]) -> dict[str, Any]:  # Any: option values
    """Read the options off the tensors' shapes."""
    options: dict[str, Any] = {
        "hidden": length(tensors, "projector_head.0.weight"),
        "projection": length(tensors, "projector_head.8.weight"),
        "batch_norm": "projector_head.1.weight" in tensors,
    }
    if adapters:
        down = next(found.string for found in adapters if found[3] == "A")
        options |= {"lora_rank": length(tensors, down), "lora_last_blocks": len({found[2] for found in adapters})}
    return options
