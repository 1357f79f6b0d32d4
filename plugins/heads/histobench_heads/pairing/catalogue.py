"""The cards of the linear baselines of retrieval; one is a control."""

from histobench import EncoderSlot, MethodCard, lazy
from histobench_heads.frames.cards import FROZEN_SLOT, OURS, control
from histobench_heads.pairing.options import CcaOptions

__all__ = ["CCA", "COLOUR_CCA"]

_CITATION = "Hotelling (1936), Biometrika 28:321-377; Vinod (1976), J. Econometrics 4:147-166"

COLOUR_CCA = control(
    name="colour-cca",
    title="control: canonical correlation of expression with colour statistics of the patch",
    citation=_CITATION,
    build=lazy("histobench_heads.pairing.method:Cca"),
    options=CcaOptions,
    targets=("retrieve",),
    encoder=EncoderSlot(default="colour-stats", default_mode="frozen", modes=("frozen",), fixed=True),
)
"""Colour without morphology."""

CCA = MethodCard(
    name="cca",
    title="canonical correlation of expression with frozen embeddings, both by their principal components",
    licence=OURS,
    citation=_CITATION,
    build=lazy("histobench_heads.pairing.method:Cca"),
    options=CcaOptions,
    targets=("retrieve",),
    encoder=FROZEN_SLOT,
)
"""The simple baseline of retrieval."""
