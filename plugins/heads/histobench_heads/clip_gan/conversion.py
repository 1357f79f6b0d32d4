"""Conversion of the authors' snapshots of the generator (``clip_gan.md``, sections 3.4 and 2.2).

A snapshot is a pickle of whole networks, ``G``, ``D`` and ``G_ema``; the platform reads its tensors without running it.
The moving average, which draws, is converted, with the gene branch of the contrastive model that prompts it. The image
branch is not in the file, so that drawn images cannot be embedded in the contrastive model's space. The file does not
hold the names of the genes or the scale of their counts. No published snapshot was available when this was written:
names and shapes are those of the specification.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from histobench import DataError
from histobench.weights import Converted, ConvertRequest, length, renamed
from histobench_heads.frames.clip.published import convert_clip

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert_snapshot"]

_AVERAGE = "G_ema."
_NAMES = {
    r"mapping\.clip\.gex_encoder\.0\.": "clip.gene_encoder.",
    r"mapping\.clip\.gex_encoder\.1\.": "clip.gene_projection.",
    "": "generator.",
}
_FILTER = ".resample_filter"
_TAPS = (1 / 8, 3 / 8, 3 / 8, 1 / 8)  # clip_gan, section 3.1: f = outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
_BLOCK = re.compile(r"generator\.synthesis\.b(\d+)\.(?:convs1\.(\d+)\.)?")


def convert_snapshot(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a generator's snapshot, to ``generate``, or a checkpoint of the contrastive model, to ``retrieve``.

    Raises
    ------
    DataError
        If it is neither, is for another task, or is not prompted by a contrastive model.
    """
    if not any(name.startswith(_AVERAGE) for name in tensors):
        return convert_clip(tensors, request)
    if request.kind != "generate":
        raise DataError(
            f"this is a snapshot of a generator, which cannot {request.kind}: convert it with --kind generate."
        )
    average = {name.removeprefix(_AVERAGE): t for name, t in tensors.items() if name.startswith(_AVERAGE)}
    ours = renamed({name: t for name, t in average.items() if not _is_filter(name, t)}, _NAMES)
    if "clip.gene_encoder.l1.weight" not in ours:
        raise DataError(
            "the generator is not prompted by the embedding of a contrastive model; only that kind can be converted."
        )
    n_genes, hidden = (length(ours, "clip.gene_encoder.l1.weight", axis=axis) for axis in (1, 0))
    genes = request.target_names(n_genes)
    return Converted(
        tensors=ours,
        facts={
            "draws": True,
            "looks": False,
            "image_dim": length(ours, "clip.gene_projection.projection.weight", axis=1),
            "seed": 0,
            "genes": list(genes),
            "total": None,
            "target_sum": None,
        },
        targets=genes,
        options={
            "latent_dim": length(ours, "clip.gene_projection.fc.bias"),
            "hidden_dim": None if hidden == n_genes else hidden,
            "norm_latent": "clip.gene_projection.layer_norm.weight" in ours,
            "standardise": False,
            **_sizes(ours),
        },
        left_out={
            **{name: "the moving average draws" for name in tensors if not name.startswith(_AVERAGE)},
            **{f"{_AVERAGE}{name}": "a constant of the method" for name in average if name.endswith(_FILTER)},
        },
    )


def _sizes(ours: "Mapping[str, Tensor]") -> dict[str, Any]:  # Any: values of options
    """Read the options of the synthesis network off its names and shapes; the platform checks every tensor."""
    found = [match for name in ours if (match := _BLOCK.match(name))]
    sides = sorted({int(match[1]) for match in found})
    if not sides:
        raise DataError("this is not a snapshot of clip-gan: its generator has no tensor 'synthesis.b8…'.")
    channels = {side: length(ours, f"generator.synthesis.b{side}.torgb.weight", axis=1) for side in sides}
    layers = {int(match[2]) for match in found if match[2] and int(match[1]) == sides[0]}
    return {
        "patch_px": sides[-1],
        "channel_max": channels[sides[0]],
        "channel_base": channels[sides[-1]] * sides[-1],
        "res_blocks": len(layers) // 2,
    }


def _is_filter(name: str, tensor: "Tensor") -> bool:
    """Return whether a tensor is the resampling filter, a constant here.

    Raises
    ------
    DataError
        If it is another filter than specified.
    """
    if not name.endswith(_FILTER):
        return False
    wanted = [[across * down for across in _TAPS] for down in _TAPS]
    if tuple(tensor.shape) != (4, 4) or (tensor - tensor.new_tensor(wanted)).abs().max() > 1e-6:
        raise DataError(f"{_AVERAGE}{name} is not the filter (1, 3, 3, 1) that the generator is specified with.")
    return True
