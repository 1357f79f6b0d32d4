"""Conversion of the authors' checkpoints of the contrastive model (``clip_gan.md``, sections 2.2 and 2.5).

There are two kinds: the dict of parts that their embedding command reads, and Lightning's, which includes the frozen
encoder. Neither holds the names of its genes or the scale of their counts.
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
    """Convert a checkpoint of the contrastive model; the genes of the vocabulary are given as targets.

    Raises
    ------
    DataError
        If this is not such a checkpoint, was trained on another encoder, or is converted for another task.
    """
    if request.kind != "retrieve":
        raise DataError(f"a checkpoint holds no training spots to predict {request.kind} from; use --kind retrieve.")
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


def _settings(settings: "Mapping[str, Tensor]") -> dict[str, bool | float]:
    """Read the options that no shape shows; they are the same in all three parts."""
    found: dict[str, bool | float] = {}
    for name, value in settings.items():
        option = name.rpartition(".")[2]
        if option in _SIZES:
            continue
        number = value.item()
        if option not in ("dropout", "residual"):
            raise DataError(f"the checkpoint was made with {name!r} = {number}, which is not supported here.")
        setting = bool(number) if option == "residual" else float(number)
        if found.setdefault(option, setting) != setting:
            raise DataError(f"the parts of the checkpoint must have the same {option!r}, and they differ.")
    return found
