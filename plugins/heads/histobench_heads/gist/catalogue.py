"""The card of GIST."""

from dataclasses import replace
from typing import Literal

from histobench import EncoderSlot, MethodCard, Probe, lazy
from histobench_heads.frames.cards import FROZEN_SLOT
from histobench_heads.gist.options import GistOptions

__all__ = ["GIST"]

_COMPOSITE_UM = 0.18  # of a pixel of CosMx's composites (expression_protocol.md, section 3)
_BREAST_UM = 90 / 240  # of the Visium breast image: 240 pixels are about 90 µm (the same)


def _probes(options: GistOptions) -> tuple[Probe, ...]:
    """Time one epoch, in `fit` or in `predict`."""
    one = replace(options, epochs=1)
    where: Literal["fit", "predict"] = "predict" if options.fit_on == "own" else "fit"
    return (Probe(options=replace(options, epochs=3), less=one, times=options.epochs / 2, phase=where),)


GIST = MethodCard(
    name="gist",
    title="GIST: a graph transformer auto-encoder of expression and image together",
    url="https://github.com/lengjk1214/GIST",
    licence="none given (the authors' code; this is a clean-room implementation from its specification)",
    citation="GIST: deep learning-enabled gene expression and histology integration for spatial cellular profiling "
    "(2024-2025), in the authors' repository",
    build=lazy("histobench_heads.gist.method:Gist"),
    options=GistOptions,
    targets=("enhance",),
    unit="slide",
    probes=_probes,
    encoder=EncoderSlot(
        default="ctranspath",
        default_mode="frozen",
        modes=("frozen",),
        scratch=FROZEN_SLOT.scratch,
        scratch_mode="frozen",
    ),
    convert=lazy("histobench_heads.gist.published:convert"),
    # radii of gist.md, section 2.2, in microns; that of colorectal is in coordinates of unknown scale
    dataset_options={
        "nanostring": {"radius_um": 80 * _COMPOSITE_UM},
        "breast": {"radius_um": 300 * _BREAST_UM},
        "breast2": {"radius_um": 300 * _BREAST_UM},
    },
    parameters={
        "980 genes, embedding 768 wide": 9_942_588,
        "the same with use_img_loss": 9_507_564,
        "980 genes, embedding 1,024 wide": 10_466_876,
        "980 genes, embedding 2,560 wide": 13_612_604,
        "960 genes, embedding 768 wide": 9_778_508,
        "36,601 genes, embedding 768 wide": 302_177_272,
    },
    presets={"quick": {"epochs": 150, "hidden": 128, "n_genes": 1000}},
)
"""Every option as published; trained on the input of the section itself."""
