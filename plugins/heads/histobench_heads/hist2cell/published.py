"""Hist2Cell's published checkpoints and numbers (``hist2cell.md``; ``abundance_protocol.md``, sections 3 and 10)."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from histobench import DataError
from histobench.weights import Converted, ConvertRequest, Reproduction, View, length, renamed
from histobench_heads.frames.reproductions import cuca_comparison

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["REPRODUCTIONS", "convert"]

_ORIGINAL = {"faithful": True, "final_relu": True}
"""Batches and output of the original repository; the defaults of the card are CUCA's."""

_ROWS = "; published rows have the arbitrary order of a set, on which the batches and so the predictions depend"

# mean over types of the released weights, by donor and slide (abundance_protocol, section 10)
_RELEASED = {"A50": (0.2839, 0.3674), "A37": (0.3016, 0.2709, 0.2336, 0.3235)}


def _lung(donor: str, value: float, view: View, **facts: Any) -> Reproduction:  # Any: fields of the record
    return Reproduction(
        dataset="humanlung",
        target="cell_abundance:cell2location",
        scheme="leave-one-patient-out",
        metric="pearson",
        view=view,
        value=value,
        panel="80 cell types by cell2location",
        encoder="resnet18.imagenet@full",
        folds=(donor,),
        slides=11,
        patients=4,
        **facts,
    )


REPRODUCTIONS = (
    *cuca_comparison(
        {"humanlung": 0.305, "her2st": 0.335, "stnet": 0.235},
        {"humanlung": 0.275, "her2st": 0.385, "stnet": 0.24},
        encoder="resnet18.imagenet@full",
        settings={"faithful": True},
    ),
    _lung(
        "A50",
        0.2906,
        "pooled per fold",
        tolerance=0.02,  # our estimate: the difference between successive epochs of the tutorial
        source="Zhao et al. (2024), the authors' tutorial, epoch 5, as abundance_protocol, section 10, gives it",
        settings={**_ORIGINAL, "epochs": 5},
        note="published: the best of five epochs on the test donor itself, which is the last" + _ROWS,
    ),
    *(
        _lung(
            donor,
            sum(slides) / len(slides),
            "per slide",
            tolerance=0.01,  # our estimate: other rows share a batch
            source=f"Zhao et al. (2024), released weights, mean of {', '.join(map(str, slides))} over the slides, as "
            "abundance_protocol, section 10, gives them",
            settings={**_ORIGINAL, "weights": f"humanlung_cell2location_leave_{donor}_out.safetensors"},
            note="evaluates the released weights: convert humanlung_cell2location_leave_"
            f"{donor}_out.pth with `histobench weights convert hist2cell` first{_ROWS}",
        )
        for donor, slides in _RELEASED.items()
    ),
)
"""From CUCA's comparison, and from the authors of Hist2Cell."""

# Children of the published backbone, a sequence, and their names in ResNet-18. The original repository calls the
# backbone resnet18, CUCA's copy calls it backbone; all other names are ours (hist2cell.md, "Parameters in order").
_RESNET = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}


def convert(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a checkpoint of the original repository or of CUCA's copy.

    Raises
    ------
    DataError
        If this is not such a checkpoint.
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
