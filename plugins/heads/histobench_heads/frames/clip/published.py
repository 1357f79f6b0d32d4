"""The authors' checkpoints of the contrastive model in our names (``clip_gan.md``, sections 2.2 and 2.5).

Two kinds: the dict of parts that their embedding command reads, and Lightning's, which holds the frozen encoder too.
Neither names its genes, nor the scale that their counts were brought to.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from histobench import DataError
from histobench.weights import Converted, ConvertRequest, length, renamed

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert_clip"]

_NAMES = {
    r"(?:image\.projection_state_dict|img_encoder\.1)\.": "image_projection.",
    r"(?:gex\.encoder_state_dict|gex_encoder\.0)\.": "gene_encoder.",
    r"(?:gex\.projection_state_dict|gex_encoder\.1)\.": "gene_projection.",
}
_FROZEN = "img_encoder.0."
_SIZES = ("input_dim", "latent_dim", "output_dim", "norm_latent")
_SETTINGS = ("image.projection_kwargs.", "gex.encoder_kwargs.", "gex.projection_kwargs.")


def convert_clip(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a checkpoint of the contrastive model; the vocabulary's genes are given as targets.

    Raises
    ------
    DataError
        If this is no such checkpoint, was trained on another encoder, or is to predict.
    """
    if request.kind != "retrieve":
        raise DataError(f"a checkpoint remembers no spots to predict {request.kind} by; convert it to retrieve.")
    frozen = [name for name in tensors if name.startswith(_FROZEN)]
    settings = {name: tensor for name, tensor in tensors.items() if name.startswith(_SETTINGS)}
    ours = renamed({n: t for n, t in tensors.items() if n not in frozen and n not in settings}, _NAMES)
    n_genes, hidden = length(ours, "gene_encoder.l1.weight", axis=1), length(ours, "gene_encoder.l1.weight")
    image_dim = length(ours, "image_projection.projection.weight", axis=1)
    if request.dim and request.dim != image_dim:
        raise DataError(f"the checkpoint reads features of width {image_dim}, and the encoder gives {request.dim}.")
    genes = request.target_names(n_genes)
    return Converted(
        tensors=ours,
        facts={"image_dim": image_dim, "remembers": False, "genes": list(genes), "total": None, "target_sum": None},
        targets=genes,
        options={
            "latent_dim": length(ours, "image_projection.fc.bias"),
            "hidden_dim": None if hidden == n_genes else hidden,
            "norm_latent": "image_projection.layer_norm.weight" in ours,
            "standardise": False,
            **_settings(settings),
        },
        left_out=dict.fromkeys(frozen, "the frozen encoder's own weights are used"),
    )


def _settings(told: "Mapping[str, Tensor]") -> dict[str, bool | float]:
    """Read what no shape says; the three parts share it."""
    found: dict[str, bool | float] = {}
    for name, value in told.items():
        option = name.rpartition(".")[2]
        if option in _SIZES:
            continue
        number = value.item()
        if option not in ("dropout", "residual"):
            raise DataError(f"the checkpoint was made with {name!r} = {number}, which is not known here.")
        setting = bool(number) if option == "residual" else float(number)
        if found.setdefault(option, setting) != setting:
            raise DataError(f"the checkpoint's parts differ in {option!r}, and must be made alike.")
    return found
