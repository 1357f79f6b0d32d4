"""The cards of HE2Gene, Base and Spat."""

from dataclasses import replace

from histobench import EncoderSlot, MethodCard, PatchGeometry, lazy
from histobench_heads.he2gene.options import He2GeneOptions, He2GeneSpatOptions, side_to_read

__all__ = ["HE2GENE_BASE", "HE2GENE_SPAT"]

# The full name, so that resnet50.random is not used in place of missing weights: after three epochs on the synthetic
# data it is worse than the mean. A ResNet-18 is better at less than half the cost. Every result names it.
_SLOT = EncoderSlot(
    default="resnet50.imagenet", default_mode="full", modes=("full",), scratch="resnet18.random", scratch_mode="full"
)
_QUICK = {
    # two pixels a side are left at the end of 48, so that batch normalisation has more than one per spot
    "epochs": 4, "batch": 16, "lr": 1e-3, "start_at_mean": True, "average": "single", "patch_px": 48,
}  # fmt: skip


def _patch(options: He2GeneOptions) -> PatchGeometry:
    return PatchGeometry(patch_px=side_to_read(options), mpp=options.window_um / options.patch_px)


HE2GENE_BASE = MethodCard(
    name="he2gene-base",
    title="HE2Gene-Base: ResNet-50 learns a panel, all other genes and the tumour label at once",
    url="https://github.com/Microbiods/HE2Gene",
    licence="MIT (the authors' code; this is a clean-room implementation from its specification)",
    citation="Chen et al. (2024), HE2Gene: image-to-RNA translation via multi-task learning, Bioinformatics 40",
    build=lazy("histobench_heads.he2gene.method:He2Gene"),
    options=He2GeneOptions,
    targets=("gene_expression",),
    optional=("other_genes", "label"),
    patch=_patch,
    encoder=_SLOT,
    parameters={"ResNet-50, 250 genes, 19,699 other genes, tumour": 64_385_582},
    convert=lazy("histobench_heads.he2gene.published:convert"),
    presets={"quick": _QUICK},
)
"""Trained on single spots."""

HE2GENE_SPAT = replace(
    HE2GENE_BASE,
    name="he2gene-spat",
    title="HE2Gene-Spat: HE2Gene with each spot drawn to its neighbours of the same label",
    build=lazy("histobench_heads.he2gene.method:He2GeneSpat"),
    options=He2GeneSpatOptions,
    auxiliary=("label",),
    optional=("other_genes",),
)
"""The same network, trained with neighbours; it predicts single spots."""
