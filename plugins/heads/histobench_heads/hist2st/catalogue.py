"""The card of Hist2ST."""

from histobench import MethodCard, lazy
from histobench_heads.frames.cards import CONTINUOUS
from histobench_heads.frames.slidewise.options import slide_patch
from histobench_heads.hist2st.options import Hist2STOptions
from histobench_heads.hist2st.published import REPRODUCTIONS, convert

__all__ = ["HIST2ST"]

HIST2ST = MethodCard(
    name="hist2st",
    title="Hist2ST: ConvMixer, transformer and graph layers over a whole slide",
    url="https://github.com/biomed-AI/Hist2ST",
    licence="none given (the authors' code; this is a clean-room implementation from its specification)",
    citation="Zeng et al. (2022), Briefings in Bioinformatics",
    build=lazy("histobench_heads.hist2st.method:Hist2ST"),
    options=Hist2STOptions,
    targets=CONTINUOUS,
    unit="slide",
    patch=slide_patch,
    optional=("counts",),
    # hist2st.md, Inputs, Graph construction and Defaults: the options' defaults are CUCA's, these are the authors'
    kind_options={
        "gene_expression": {
            "inputs": "original", "weight_decay": 0.0, "n_pos": 64, "prune": "grid", "weight_counts": 0.25,
            "weight_distilled": 0.5,
        }
    },
    dataset_options={"cscc": {"prune": "none"}},  # hist2st.md, Graph construction
    parameters={
        "80 cell types, coefficient network, 240 positions": 73_013_781,
        "39 cell types, coefficient network, 240 positions": 72_971_756,
        "39 cell types alone, as trained here, 240 positions": 71_921_131,
        "785 genes, counts and coefficient network, 64 positions": 75_789_833,
        "785 genes alone, 64 positions": 72_325_333,
    },
    convert=convert,
    reproductions=REPRODUCTIONS,
    # Short runs need what long ones do not: the spot among its own neighbours, stronger decay against memorising
    # positions, and a likelihood of the counts that does not outweigh the squared error.
    presets={
        "quick": {
            "epochs": 60, "lr": 1e-3, "weight_decay": 1e-3, "patch_px": 32, "stride": 16, "channels": 128, "kernel": 3,
            "mixers": 1, "depth": 1, "heads": 2, "graph_layers": 1, "self_loops": True, "copies": 1,
            "inputs": "adapted", "n_pos": 128,
        },
        "quick@gene_expression": {"epochs": 40, "lr": 2e-3, "weight_counts": 0.02},
    },
)  # fmt: skip
"""CUCA's settings for cell types, the authors' settings for genes."""
