"""The card of HisToGene."""

from histobench import MethodCard, lazy
from histobench_heads.frames.cards import CONTINUOUS
from histobench_heads.frames.reproductions import cuca_comparison
from histobench_heads.frames.slidewise.options import slide_patch
from histobench_heads.histogene.options import HisToGeneOptions

__all__ = ["HISTOGENE"]

HISTOGENE = MethodCard(
    name="histogene",
    title="HisToGene: a vision transformer over all spots of a slide",
    url="https://github.com/maxpmx/HisToGene",
    licence="MIT (the authors' code; this is a clean-room implementation from its specification)",
    citation="Pang, Su & Li (2021), bioRxiv 2021.11.28.470212",
    build=lazy("histobench_heads.histogene.method:HisToGene"),
    options=HisToGeneOptions,
    targets=CONTINUOUS,
    unit="slide",
    patch=slide_patch,
    # histogene.md, Inputs and Defaults: the defaults of the options are CUCA's, these are the authors'
    kind_options={"gene_expression": {"inputs": "original", "weight_decay": 0.0, "n_pos": 64}},
    parameters={
        "80 cell types, 8 blocks, 128 positions": 106_056_784,
        "39 cell types, 8 blocks, 128 positions": 106_014_759,
        "785 genes, 8 blocks, 64 positions": 106_648_337,
        "1000 genes, 4 blocks, 64 positions": 73_281_512,
    },
    convert=lazy("histobench_heads.histogene.published:convert"),
    # as run by CUCA's authors
    reproductions=cuca_comparison(
        {"humanlung": 0.085, "her2st": 0.21, "stnet": 0.21}, {"humanlung": 0.04, "her2st": 0.24, "stnet": 0.25}
    ),
    presets={
        "quick": {
            "epochs": 60, "lr": 1e-3, "patch_px": 32, "dim": 128, "depth": 2, "heads": 2, "hidden": 256,
            "inputs": "adapted", "n_pos": 128,
        }
    },
)  # fmt: skip
"""CUCA's settings for cell types, the authors' settings for genes."""
