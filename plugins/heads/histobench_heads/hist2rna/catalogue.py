"""hist2RNA."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from histobench import EncoderSlot, Method, MethodCard
from histobench.weights import Converted, ConvertRequest
from histobench_heads.frames.cards import CONTINUOUS, FROZEN_SLOT
from histobench_heads.hist2rna.options import Hist2RnaOptions

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["HIST2RNA"]


def _hist2rna(options: Hist2RnaOptions) -> Method:
    from histobench_heads.hist2rna.method import Hist2Rna

    return Hist2Rna(options)


def _convert(tensors: "Mapping[str, Tensor]", request: ConvertRequest) -> Converted:
    from histobench_heads.hist2rna.published import convert

    return convert(tensors, request)


HIST2RNA = MethodCard(
    name="hist2rna",
    title="hist2RNA: a bulk head on the mean embedding of many spots, asked of single ones",
    url="https://github.com/raktim-mondol/hist2RNA",
    licence="MIT (the authors' code; this is a clean-room implementation from its specification)",
    citation="Mondol et al. (2023), Cancers 15:2569",
    build=_hist2rna,
    options=Hist2RnaOptions,
    targets=CONTINUOUS,
    unit="slide",
    # the widest of the seven published encoders, and the one whose parameters are counted
    encoder=EncoderSlot(
        default="resnet50.imagenet",
        default_mode="frozen",
        modes=("frozen",),
        scratch=FROZEN_SLOT.scratch,
        scratch_mode="frozen",
    ),
    convert=_convert,
    parameters={"embedding 2,048 wide; 50 genes": 3_041_586},
    presets={"quick": {"epochs": 30, "lr": 3e-4, "bag_spots": 4, "standardise": True, "start_at_mean": True}},
)
"""The two-step form."""
