"""Conversion of GIST's checkpoints: ``final.pth`` of each data set (``gist.md``, sections 1 and 5)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from histobench.weights import Converted, ConvertRequest, length

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert"]


def convert(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a checkpoint of the training script; our tensors have the published names.

    Its genes, which are both input and output, must be named in order. It is applied to sections without training.

    Raises
    ------
    DataError
        If this is not such a checkpoint, or its genes are not named.
    """
    genes = request.target_names(length(tensors, "conv1.lin_key.weight", axis=1))
    dim = length(tensors, "imgconv1.lin_key.weight", axis=1)
    rebuilt = length(tensors, "imgconv4.lin_key.weight")
    return Converted(
        tensors=dict(tensors),
        facts={"names": genes, "genes": genes, "seed": 0, "dim": dim},
        targets=genes,
        options={
            "fit_on": "training",
            "hidden": length(tensors, "conv1.lin_key.weight"),
            "latent": length(tensors, "conv2.lin_key.weight"),
            "use_img_loss": rebuilt == dim != len(genes),
        },
    )
