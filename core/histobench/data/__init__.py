"""The data that travel between datasets, methods, metrics and the store.

All are frozen, keyword-only dataclasses over numpy that check themselves when made: a method that returns ``(n,)``
for one target fails at once instead of broadcasting into a plausible number. Axis letters: ``n`` spots, ``t`` targets,
``d`` embedding dimensions, ``h w c`` image.
"""

from typing import TYPE_CHECKING

from histobench.exports import exports

if TYPE_CHECKING:
    from histobench.data.context import ScoreContext
    from histobench.data.kinds import Auxiliary, Kind, Lattice, Need
    from histobench.data.outcomes import Generated, Hidden, ImageFeatures, Pairing
    from histobench.data.predictions import Prediction, SlideResult, TrainingFacts
    from histobench.data.samples import LabelledSamples, Samples
    from histobench.data.slides import Slide, Split
    from histobench.data.tables import Counts, SpotTable, Targets
    from histobench.data.types import Float, Int, Patches, UInt8
else:
    __getattr__ = exports(
        __name__,
        {
            "histobench.data.context": "ScoreContext",
            "histobench.data.kinds": "Auxiliary Kind Lattice Need",
            "histobench.data.outcomes": "Generated Hidden ImageFeatures Pairing",
            "histobench.data.predictions": "Prediction SlideResult TrainingFacts",
            "histobench.data.samples": "LabelledSamples Samples",
            "histobench.data.slides": "Slide Split",
            "histobench.data.tables": "Counts SpotTable Targets",
            "histobench.data.types": "Float Int Patches UInt8",
        },
    )

__all__ = [
    "Auxiliary", "Counts", "Float", "Generated", "Hidden", "ImageFeatures", "Int", "Kind", "LabelledSamples",
    "Lattice", "Need", "Pairing", "Patches", "Prediction", "Samples", "ScoreContext", "Slide", "SlideResult", "Split",
    "SpotTable", "Targets", "TrainingFacts", "UInt8",
]  # fmt: skip
