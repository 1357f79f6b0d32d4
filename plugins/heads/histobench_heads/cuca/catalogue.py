"""The cards of CUCA and CUCAMLP."""

from histobench import lazy
from histobench_heads.cuca.options import CucaMlpOptions, CucaOptions
from histobench_heads.cuca.published import REPRODUCTIONS
from histobench_heads.frames.cards import ADAPTED_SLOT, FROZEN_SLOT, cuca_publication

__all__ = ["CUCA", "CUCA_MLP"]

CUCA = cuca_publication(
    name="cuca",
    title="CUCA: cell-type abundances with a gene autoencoder as a companion in training",
    build=lazy("histobench_heads.cuca.method:Cuca"),
    options=CucaOptions,
    targets=("cell_abundance",),
    auxiliary=("gene_expression",),
    encoder=ADAPTED_SLOT,
    # cuca, Loss: main, reconstruction, alignment. Other datasets get her2st's, which are the options' defaults.
    dataset_options={
        "her2st": {"weight_main": 0.3, "weight_reconstruction": 0.6, "weight_alignment": 0.1},
        "humanlung": {"weight_main": 0.3, "weight_reconstruction": 0.6, "weight_alignment": 0.1},
        "stnet": {"weight_main": 0.2, "weight_reconstruction": 0.7, "weight_alignment": 0.1},
    },
    parameters={
        "virchow2 with adapters, 80 cell types": 635_670_218,
        "virchow2 with adapters, 39 cell types": 635_649_185,
        "virchow2 with adapters, 80 cell types, trained": 4_430_794,
        "virchow2 with adapters, 39 cell types, trained": 4_409_761,
    },
    convert=lazy("histobench_heads.cuca.published:convert"),
    reproductions=REPRODUCTIONS,
    # two tokens per side: on the 732 spots of her2st more epochs help more than more pixels; a fit takes under a minute
    presets={"quick": {"epochs": 15, "batch": 32}, "quick@full": {"patch_px": 32}},
)
"""With its published loss weights."""

CUCA_MLP = cuca_publication(
    name="cuca-mlp",
    title="CUCAMLP: CUCA's heads and gene autoencoder on frozen embeddings",
    build=lazy("histobench_heads.cuca.method:CucaMlp"),
    options=CucaMlpOptions,
    targets=("cell_abundance",),
    auxiliary=("gene_expression",),
    encoder=FROZEN_SLOT,
    # cuca, Loss: main, reconstruction, alignment. Other datasets get her2st's, which are the options' defaults.
    dataset_options={
        "her2st": {"weight_main": 0.7, "weight_reconstruction": 0.2, "weight_alignment": 0.1},
        "humanlung": {"weight_main": 0.4, "weight_reconstruction": 0.5, "weight_alignment": 0.1},
        "stnet": {"weight_main": 0.3, "weight_reconstruction": 0.6, "weight_alignment": 0.1},
    },
    parameters={"virchow2, 80 cell types": 4_101_962, "virchow2, 39 cell types": 4_080_929},
    convert=lazy("histobench_heads.cuca.published:convert"),
    presets={"quick": {"epochs": 15, "batch": 32}},
)
"""With its published loss weights, which differ from CUCA's."""
