"""The card of Hist2Cell."""

from histobench import EncoderSlot, MethodCard, lazy
from histobench_heads.frames.cards import CONTINUOUS
from histobench_heads.hist2cell.options import Hist2CellOptions
from histobench_heads.hist2cell.published import REPRODUCTIONS, convert

__all__ = ["HIST2CELL"]

HIST2CELL = MethodCard(
    name="hist2cell",
    title="Hist2Cell: a graph transformer over each spot's neighbourhood",
    url="https://github.com/Weiqin-Zhao/Hist2Cell",
    licence="MIT (the authors' code; this is a clean-room implementation from its specification)",
    citation="Zhao et al. (2024), bioRxiv 2024.02.17.580852",
    build=lazy("histobench_heads.hist2cell.method:Hist2Cell"),
    options=Hist2CellOptions,
    targets=CONTINUOUS,
    unit="neighbourhood",
    encoder=EncoderSlot(
        default="resnet18",
        default_mode="full",
        modes=("full", "lora", "frozen"),
        scratch="resnet18.random",
    ),
    parameters={"resnet18, 80 cell types": 14_232_064, "resnet18, 39 cell types": 14_100_700},
    convert=convert,
    reproductions=REPRODUCTIONS,
    presets={"quick": {"epochs": 3, "part_spots": 32}, "quick@full": {"patch_px": 64}},
)
"""The defaults are CUCA's settings."""
