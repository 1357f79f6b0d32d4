"""CUCA's and CUCAMLP's published checkpoints (``cuca.md``, "Parameters in order"), and CUCA's numbers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from histobench.weights import Converted, ConvertRequest, length
from histobench_heads.frames.reproductions import cuca_comparison
from histobench_heads.frames.spotwise.published import projector_options, sort_encoder

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["REPRODUCTIONS", "convert"]

REPRODUCTIONS = cuca_comparison(
    {"humanlung": 0.375, "her2st": 0.353, "stnet": 0.273},
    {"humanlung": 0.34, "her2st": 0.40, "stnet": 0.25},
    encoder="virchow2@lora",
    printed=True,
)
"""Numbers of CUCA's authors."""


def convert(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a checkpoint of CUCA (``split_<k>/ckpt_<k>.pth``), or of CUCAMLP in mode ``frozen``.

    Raises
    ------
    DataError
        If this is not such a checkpoint, or one of another mode.
    """
    found = sort_encoder(tensors, request)
    names = request.target_names(length(tensors, "regression_head.bias"))
    n_genes = length(tensors, "snn_branch.fc_omic.0.0.weight", axis=1)
    return Converted(
        tensors=found.tensors,
        facts={
            "features": request.dim,
            "targets": names,
            # prediction does not use the molecular branch, and the publisher does not name the genes
            "auxiliary": [f"gene {place}" for place in range(1, n_genes + 1)],
            "mode": request.mode,
            "seed": 0,
        },
        targets=names,
        options={**projector_options(tensors), **found.options},
        left_out=found.left_out,
    )
