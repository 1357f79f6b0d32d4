"""The encoder in the checkpoints that CUCA's authors publish (``cuca.md``, "Parameters in order")."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from histobench import DataError
from histobench.weights import ConvertRequest, length, renamed

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Sorted", "projector_options", "sort_encoder"]

_ENCODER = r"backbone\.encoder\.(?:base_model\.model\.)?"
"""Prefix of the encoder's names; peft adds the second part to modules that it adapts."""

_ADAPTER = re.compile(_ENCODER + r"(.*\.(\d+)\..*)\.lora_([AB])\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """A checkpoint whose encoder is separated from its heads.

    Attributes
    ----------
    tensors
        Our name → tensor; of a frozen encoder only the adapters.
    left_out
        Published tensor that is not used → why.
    options
        Options that follow from the adapters' shapes.
    """

    tensors: "dict[str, Tensor]"
    left_out: dict[str, str]
    options: dict[str, int]


def sort_encoder(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Sorted:
    """Rename the encoder's trained tensors and leave the frozen ones to the encoder's own weights.

    Raises
    ------
    DataError
        If the checkpoint is of another mode.
    """
    adapters = [found for name in tensors if (found := _ADAPTER.match(name))]
    if bool(adapters) != (request.mode == "lora"):
        have = "adapters" if adapters else "no adapters"
        raise DataError(f"the checkpoint holds {have}, not mode {request.mode!r}: pass the right one with --mode.")
    trains_all = request.mode == "full"
    frozen = [n for n in tensors if not trains_all and re.match(_ENCODER, n) and not _ADAPTER.match(n)]
    kept = {name: tensor for name, tensor in tensors.items() if name not in frozen}
    options = {}
    if adapters:
        down = next(found.string for found in adapters if found[3] == "A")
        options = {"lora_rank": length(tensors, down), "lora_last_blocks": len({found[2] for found in adapters})}
    return Sorted(
        tensors=renamed(kept, {_ENCODER: f"backbone.{request.encoder_prefix}"}),
        left_out=dict.fromkeys(frozen, "the frozen encoder's own weights are used"),
        options=options,
    )


def projector_options(tensors: "Mapping[str, Tensor]") -> dict[str, int | bool]:
    """Read the projector's options off the shapes of its tensors.

    Raises
    ------
    DataError
        If the checkpoint has no projector.
    """
    return {
        "hidden": length(tensors, "projector_head.0.weight"),
        "projection": length(tensors, "projector_head.8.weight"),
        "batch_norm": "projector_head.1.weight" in tensors,
    }
