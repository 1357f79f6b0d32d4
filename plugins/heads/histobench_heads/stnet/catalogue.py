"""The card of ST-Net."""

from histobench import EncoderSlot, MethodCard, PatchGeometry, lazy
from histobench_heads.stnet.options import CUCAS_SETTINGS, StNetOptions
from histobench_heads.stnet.published import REPRODUCTIONS

__all__ = ["STNET"]


def _patch(options: StNetOptions) -> PatchGeometry:
    return PatchGeometry(patch_px=options.patch_px, field_px=options.window_px)


_PAPER = {name: getattr(StNetOptions(), name) for name in CUCAS_SETTINGS}

STNET = MethodCard(
    name="stnet",
    title="ST-Net: DenseNet-121 on one patch, all of it trained",
    url="https://github.com/bryanhe/ST-Net",
    licence="MIT (the authors' code, by its metadata; this is a clean-room implementation from its specification)",
    citation="He et al. (2020), Nature Biomedical Engineering 4:827-834; abundances: Yan et al. (2025), Bioinformatics",
    build=lazy("histobench_heads.stnet.method:StNet"),
    options=StNetOptions,
    targets=("gene_expression", "cell_abundance"),
    patch=_patch,
    encoder=EncoderSlot(
        default="densenet121", default_mode="full", modes=("full",), scratch="densenet121.random", scratch_mode="full"
    ),
    parameters={
        "DenseNet-121, 250 genes": 7_210_106,
        "DenseNet-121, 80 cell types": 7_035_856,
        "DenseNet-121, 39 cell types": 6_993_831,
    },
    convert=lazy("histobench_heads.stnet.published:convert"),
    reproductions=REPRODUCTIONS,
    kind_options={"cell_abundance": CUCAS_SETTINGS},
    presets={
        "paper": _PAPER,
        "cuca": CUCAS_SETTINGS,
        # one pixel is left of 32 after the last pooling; a network without pretrained weights needs long steps, and
        # one root over the batch makes them fit targets of any scale
        "quick": {
            **_PAPER,
            "epochs": 4,
            "batch": 16,
            "loss": "rmse",
            "lr": 1e-2,
            "statistics": "encoder",
            "patch_px": 32,
        },
    },
)
"""For gene expression with its authors' settings, for cell abundance with those of CUCA's comparison."""
