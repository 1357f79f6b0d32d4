"""hist2RNA."""

from histobench import EncoderSlot, MethodCard, lazy
from histobench_heads.frames.cards import CONTINUOUS, FROZEN_SLOT
from histobench_heads.hist2rna.options import Hist2RnaOptions

__all__ = ["HIST2RNA"]

HIST2RNA = MethodCard(
    name="hist2rna",
    title="hist2RNA: a bulk head on the mean embedding of many spots, asked of single ones",
    url="https://github.com/raktim-mondol/hist2RNA",
    licence="MIT (the authors' code; this is a clean-room implementation from its specification)",
    citation="Mondol et al. (2023), Cancers 15:2569",
    build=lazy("histobench_heads.hist2rna.method:Hist2Rna"),
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
    convert=lazy("histobench_heads.hist2rna.published:convert"),
    parameters={"embedding 2,048 wide; 50 genes": 3_041_586},
    presets={"quick": {"epochs": 30, "lr": 3e-4, "bag_spots": 4, "standardise": True, "start_at_mean": True}},
)
"""The two-step form."""
