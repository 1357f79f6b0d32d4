"""Facts that several cards share; no import here is heavy."""

from functools import partial

from histobench import EncoderSlot, Kind, MethodCard

__all__ = [
    "ADAPTED_SLOT",
    "ALL_KINDS",
    "CONTINUOUS",
    "FROZEN_SLOT",
    "HBCIS_MEAN",
    "HBCIS_STD",
    "OURS",
    "control",
    "cuca_publication",
]

ALL_KINDS: tuple[Kind, ...] = ("cell_abundance", "gene_expression", "label")
"""Every kind of target."""

CONTINUOUS: tuple[Kind, ...] = ("cell_abundance", "gene_expression")
"""Kinds whose values are amounts."""

OURS = "Apache-2.0"
"""Licence of methods without published code."""

control = partial(MethodCard, licence=OURS, control=True)
"""Make the card of a control."""

cuca_publication = partial(
    MethodCard,
    url="https://github.com/lyotvincent/CUCA",
    licence="GPL-3.0 (the authors' code; this is a clean-room implementation from its specification)",
    citation="Yan et al. (2025), Bioinformatics (ISMB/ECCB 2025); code doi:10.5281/zenodo.15087256",
)
"""Make the card of a method from the CUCA publication: CUCA itself or one of its comparisons."""

FROZEN_SLOT = EncoderSlot(
    default="virchow2",
    default_mode="frozen",
    modes=("frozen",),
    # The stand-in for a frozen foundation model is a convolutional network with random weights: it sees texture as
    # well as colour (random convolutions are a usable filter bank: Jarrett et al. 2009, ICCV), needs no download, and
    # is not the colour control under another name. It is a floor for the method, and every result names it.
    scratch="resnet18.random",
    scratch_mode="frozen",
)
"""The slot of a head on frozen embeddings."""

ADAPTED_SLOT = EncoderSlot(
    default="virchow2", default_mode="lora", modes=("lora", "full", "frozen"), scratch="vit-tiny", scratch_mode="full"
)
"""The slot of a method that adapts its encoder."""

HBCIS_MEAN = (0.5319, 0.5080, 0.6824)
"""Mean of red, green and blue in [0, 1] of the patches of 23 breast cancer patients (``he2gene.md``, section 2.4)."""

HBCIS_STD = (0.2442, 0.2063, 0.1633)
"""Standard deviation of the same."""
