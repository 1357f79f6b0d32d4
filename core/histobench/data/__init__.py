"""The data that travel between datasets, methods, metrics and the store.

All are frozen, keyword-only dataclasses over numpy that check themselves when made, so that a head returning
``(n,)`` for one target fails at once and never broadcasts into a plausible number. Axis letters: ``n`` spots,
``t`` targets, ``d`` embedding dimensions, ``h w c`` image.
"""

from histobench.data.context import Need, ScoreContext
from histobench.data.outcomes import Generated, Hidden, ImageFeatures, Pairing
from histobench.data.predictions import Prediction, SlideResult, TrainingFacts
from histobench.data.samples import LabelledSamples, Samples
from histobench.data.slides import Slide, Split
from histobench.data.tables import Counts, SpotTable, Targets
from histobench.data.types import Auxiliary, Float, Int, Kind, Lattice, Patches, UInt8

__all__ = [
    "Auxiliary",
    "Counts",
    "Float",
    "Generated",
    "Hidden",
    "ImageFeatures",
    "Int",
    "Kind",
    "LabelledSamples",
    "Lattice",
    "Need",
    "Pairing",
    "Patches",
    "Prediction",
    "Samples",
    "ScoreContext",
    "Slide",
    "SlideResult",
    "Split",
    "SpotTable",
    "Targets",
    "TrainingFacts",
    "UInt8",
]
