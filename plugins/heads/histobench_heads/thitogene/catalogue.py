"""The card of THItoGene."""

from histobench import MethodCard, lazy
from histobench_heads.frames.cards import CONTINUOUS
from histobench_heads.frames.reproductions import cuca_comparison
from histobench_heads.frames.slidewise.options import slide_patch
from histobench_heads.thitogene.options import ThitogeneOptions

__all__ = ["THITOGENE"]

THITOGENE = MethodCard(
    name="thitogene",
    title="THItoGene: capsules of each patch, a transformer over the slide and graph attention",
    url="https://github.com/yrjia1015/THItoGene",
    licence="none stated (the authors' code; this is a clean-room implementation from its specification)",
    citation="Jia et al. (2024), Briefings in Bioinformatics 25(1), bbad464",
    build=lazy("histobench_heads.thitogene.method:Thitogene"),
    options=ThitogeneOptions,
    targets=CONTINUOUS,
    unit="slide",
    patch=slide_patch,
    # thitogene.md, Numeric checks
    parameters={
        "80 cell types (lung), tables of 128 places": 62_872_279,
        "39 cell types (her2st, stnet), tables of 128 places": 62_830_254,
        "785 genes (her2st), tables of 64 places": 63_586_712,
    },
    # thitogene.md, Defaults: the defaults of the options are CUCA's. The authors' script, which was run, trains 300
    # epochs; their read-me states 200.
    kind_options={
        "gene_expression": {"epochs": 300, "weight_decay": 0.0, "n_pos": 64, "inputs": "original"},
    },
    dataset_options={"cscc": {"depth": 8}},  # thitogene.md, Defaults
    convert=lazy("histobench_heads.thitogene.published:convert"),
    # as run by CUCA's authors; for the slides of humanlung the figure shows only that it is below 0.02
    reproductions=cuca_comparison(
        {"humanlung": 0.04, "her2st": 0.085, "stnet": 0.14}, {"her2st": 0.065, "stnet": 0.16}
    ),
    presets={
        # few capsules, so that the position does not outweigh the patch; self loops, because the neighbours of a spot
        # of synthetic tissue carry little information
        "quick": {
            "epochs": 40, "lr": 2e-3, "weight_decay": 1e-2, "dropout": 0.1, "inputs": "adapted", "patch_px": 32,
            "stride": 2, "width": 16, "capsules": 4, "route_dim": 16, "depth": 1, "heads": 2, "hidden": 64,
            "graph_heads": 2, "graph_dim": 64, "embedding": 64, "head_hidden": 128, "n_pos": 128, "self_loops": True,
        },
        # the loss over hundreds of genes is small compared with that decay, and leaves its plateau after 500 steps
        "quick@gene_expression": {"epochs": 90, "lr": 4e-3, "weight_decay": 1e-4, "dropout": 0.0},
    },
)  # fmt: skip
"""CUCA's settings for cell types, the authors' settings for genes."""
