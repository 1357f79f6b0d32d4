"""Published checkpoints of LinearProbing, MLP and FMMLP (``foundation_heads.md``), and LinearProbing's numbers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from histobench.weights import Converted, ConvertRequest, length
from histobench_heads.frames.reproductions import cuca_comparison
from histobench_heads.frames.spotwise.published import Sorted, projector_options, sort_encoder

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LINEAR_PROBE_REPRODUCTIONS", "convert_linear_probe", "convert_mlp"]

LINEAR_PROBE_REPRODUCTIONS = cuca_comparison(
    {"humanlung": 0.325, "her2st": 0.325, "stnet": 0.24},
    {"humanlung": 0.29, "her2st": 0.37, "stnet": 0.235},
    encoder="virchow2@frozen",
)
"""As CUCA's authors ran it; no number is published for MLP and FMMLP."""


def convert_linear_probe(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a checkpoint of LinearProbing; raises as `convert_mlp` does."""
    found = sort_encoder(tensors, request)
    return _converted(found, length(tensors, "linearprob_head.bias"), request, options={})


def convert_mlp(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    """Convert a checkpoint of MLP or of FMMLP, with an encoder that is adapted, trained in full or frozen.

    Raises
    ------
    DataError
        If this is not such a checkpoint, or one of another mode.
    """
    found = sort_encoder(tensors, request)
    options = projector_options(tensors)
    return _converted(found, length(tensors, "regression_head.bias"), request, options=options)


def _converted(
    found: Sorted,
    n_targets: int,
    request: ConvertRequest,
    *,
    options: Mapping[str, Any],  # Any: option values
) -> Converted:
    names = request.target_names(n_targets)
    return Converted(
        tensors=found.tensors,
        facts={"features": request.dim, "targets": names, "auxiliary": [], "mode": request.mode, "seed": 0},
        targets=names,
        options={**options, **found.options},
        left_out=found.left_out,
    )
