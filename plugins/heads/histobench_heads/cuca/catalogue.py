"""CUCA."""

from histobench import EncoderSlot, Method, MethodCard
from histobench_heads.cards import CUCA_CITATION, CUCA_LICENCE, CUCA_URL
from histobench_heads.cuca.options import CucaOptions

__all__ = ["CUCA"]


def _cuca(options: CucaOptions) -> Method:
    from histobench_heads.cuca.method import Cuca

    return Cuca(options)


CUCA = MethodCard(
    name="cuca",
    title="CUCA: cell-type abundances with a gene autoencoder as companion in training",
    url=CUCA_URL,
    licence=CUCA_LICENCE,
    citation=CUCA_CITATION,
    build=_cuca,
    options=CucaOptions,
    targets=("cell_abundance",),
    auxiliary=("gene_expression",),
    encoder=EncoderSlot(
        default="virchow2",
        default_mode="lora",
        modes=("lora", "full", "frozen"),
        scratch="vit-tiny",
        scratch_mode="full",
    ),
    # cuca, Loss: main, reconstruction, alignment. Other datasets get her2st's, which are the options' defaults.
    dataset_options={
        "her2st": {"weight_main": 0.3, "weight_reconstruction": 0.6, "weight_alignment": 0.1},
        "humanlung": {"weight_main": 0.3, "weight_reconstruction": 0.6, "weight_alignment": 0.1},
        "stnet": {"weight_main": 0.2, "weight_reconstruction": 0.7, "weight_alignment": 0.1},
    },
    mode_options={
        "frozen": {
            "": {"weight_main": 0.7, "weight_reconstruction": 0.2, "weight_alignment": 0.1},
            "her2st": {"weight_main": 0.7, "weight_reconstruction": 0.2, "weight_alignment": 0.1},
            "humanlung": {"weight_main": 0.4, "weight_reconstruction": 0.5, "weight_alignment": 0.1},
            "stnet": {"weight_main": 0.3, "weight_reconstruction": 0.6, "weight_alignment": 0.1},
        }
    },
    # two tokens a side: on her2st's 732 spots more epochs bring more than more pixels, and a fit stays under a minute
    presets={"quick": {"epochs": 15, "batch": 32}, "quick@full": {"patch_px": 32}},
)
"""With its published loss weights."""
