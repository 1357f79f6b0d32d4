"""The cards of hist2scRNA and of its lightweight form."""

from functools import partial

from histobench import MethodCard, PatchGeometry, lazy
from histobench_heads.frames.cards import FROZEN_SLOT
from histobench_heads.hist2scrna.options import Hist2ScrnaLightOptions, Hist2ScrnaOptions

__all__ = ["HIST2SCRNA", "HIST2SCRNA_LIGHT"]

_publication = partial(
    MethodCard,
    url="https://github.com/raktim-mondol/hist2RNA",
    licence="MIT (the authors' code; this is a clean-room implementation from its specification)",
    citation="Mondol et al. (2025), hist2scRNA in hist2RNA's repository; the bulk model: Cancers 15:2569 (2023)",
    targets=("gene_expression", "label"),
    auxiliary=("counts",),
    optional=("label",),
    convert=lazy("histobench_heads.hist2scrna.published:convert"),
)

# what a few hundred training steps cannot learn: the sequencing depth of a spot, the abundance of a gene
_QUICK = {"size_offset": True, "start_at_mean": True}


def _patch(options: Hist2ScrnaOptions) -> PatchGeometry:
    return PatchGeometry(patch_px=options.patch_px)


HIST2SCRNA = _publication(
    name="hist2scrna",
    title="hist2scRNA: counts by ZINB and cell class, by a vision transformer and graph attention between spots",
    build=lazy("histobench_heads.hist2scrna.method:Hist2Scrna"),
    options=Hist2ScrnaOptions,
    unit="neighbourhood",
    patch=_patch,
    parameters={
        "384 wide, 6 blocks, 6 heads; 2,000 genes, 10 classes": 27_806_714,
        "the same without graph": 25_832_954,
        "384 wide, 6 blocks, 6 heads; 500 genes, 5 classes": 18_575_969,
        "384 wide, 4 blocks, 6 heads; 500 genes, 5 classes": 15_027_041,
        "768 wide, 6 blocks, 12 heads; 2,000 genes, 10 classes": 60_845_690,
        "256 wide, 4 blocks, 4 heads; 2,000 genes, 10 classes": 19_932_794,
        "512 wide, 8 blocks, 8 heads; 2,000 genes, 10 classes": 42_765_178,
    },
    # two hops over six neighbours, without a residual, average about thirty spots: too coarse for small tissue
    presets={
        "quick": {
            "epochs": 24, "batch": 32, "lr": 1e-3, "dropout": 0.0, "patch_px": 32, "token_px": 8, "embed": 64,
            "depth": 2, "heads": 4, "gnn_hidden": 64, "neighbours": 1, "decoder": 128, **_QUICK,
        },
    },
)  # fmt: skip
"""The full model, with the defaults of the published command line."""

HIST2SCRNA_LIGHT = _publication(
    name="hist2scrna-light",
    title="hist2scRNA lightweight: counts by ZINB and cell class from embeddings",
    build=lazy("histobench_heads.hist2scrna.light:Hist2ScrnaLight"),
    options=Hist2ScrnaLightOptions,
    encoder=FROZEN_SLOT,
    parameters={
        "embedding 2,048 wide; 2,000 genes, 10 classes": 20_716_410,
        "embedding 1,024 wide; 2,000 genes, 10 classes": 19_667_834,
        "embedding 1,536 wide; 2,000 genes, 10 classes": 20_192_122,
        "embedding 2,048 wide; 500 genes, 5 classes": 11_485_665,
    },
    presets={
        "quick": {"epochs": 12, "batch": 16, "lr": 1e-3, "width": 128, "decoder": 128, "standardise": True, **_QUICK}
    },
)
"""The lightweight model."""
