"""ST-Net's published checkpoints and numbers (``stnet.md``, "Parameters", "Numeric checks")."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from histobench.weights import Converted, ConvertRequest, length, renamed
from histobench_heads.frames.cards import HBCIS_MEAN, HBCIS_STD
from histobench_heads.frames.reproductions import cuca_comparison

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["REPRODUCTIONS", "convert"]

REPRODUCTIONS = cuca_comparison(
    {"humanlung": 0.275, "her2st": 0.30, "stnet": 0.20},
    {"humanlung": 0.245, "her2st": 0.36, "stnet": 0.205},
    encoder="densenet121.imagenet@full",
)
"""Numbers of the adaptation; the specification has no correlation for the original."""


def convert(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a checkpoint of the original, which predicts gene expression, or of CUCA's adaptation.

    The original normalises by statistics that it does not store. Instead, those that HE2Gene publishes for the patches
    of the same 23 patients are used.

    Raises
    ------
    DataError
        If this is not such a checkpoint.
    """
    names = request.target_names(length(tensors, "classifier.bias"))
    # all tensors of a DenseNet are in "features", so the platform may count it as part of the prefix
    wrapper = request.encoder_prefix.removesuffix("features.")
    table = {r"features\.": f"backbone.{wrapper}features.", r"classifier\.": "head."}
    ours = renamed(tensors, table)
    original = request.kind == "gene_expression"
    if original:
        bias = ours["head.bias"].float()
        ours |= {"pixels.mean": bias.new_tensor(HBCIS_MEAN), "pixels.std": bias.new_tensor(HBCIS_STD)}
    return Converted(
        tensors=ours,
        facts={"features": request.dim, "targets": names, "auxiliary": [], "mode": request.mode, "seed": 0},
        targets=names,
        options={"statistics": "training" if original else "encoder", "average": original},
    )
