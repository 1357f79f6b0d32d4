"""histobench measures how well a method reads molecules from a histology slide.

This package exports what a plugin author needs. Plugins may also import `histobench.data.graphs`,
`histobench.data.spatial`, `histobench.files`, `histobench.images`, `histobench.testing`, `histobench.training`,
`histobench.training.adapters` and `histobench.weights`. A name is imported when it is first used, so that listing
plugins loads neither numpy nor torch.
"""

from typing import TYPE_CHECKING

from histobench.exports import exports

if TYPE_CHECKING:
    from histobench.contracts.cards import (
        DatasetCard,
        EncoderCard,
        EncoderSlot,
        MethodCard,
        MetricCard,
        Probe,
        TargetFact,
        Transform,
        Weights,
    )
    from histobench.contracts.drawing import Drawer, Drawing, Viewer
    from histobench.contracts.hookspecs import hookimpl
    from histobench.contracts.lazy import lazy, lazy_value
    from histobench.contracts.protocols import (
        ContextMetric,
        Dataset,
        Encoder,
        FitContext,
        Method,
        Metric,
        Mode,
        PatchGeometry,
        SlideImage,
        TrainableEncoder,
    )
    from histobench.data import (
        Counts,
        Float,
        Generated,
        Hidden,
        ImageFeatures,
        Int,
        Kind,
        LabelledSamples,
        Lattice,
        Pairing,
        Patches,
        Prediction,
        Samples,
        ScoreContext,
        Slide,
        Split,
        SpotTable,
        Targets,
        TrainingFacts,
        UInt8,
    )
    from histobench.data.splits import PublishedFold, Scheme, leave_one_patient_out, leave_one_slide_out
    from histobench.errors import ConfigError, DataError, HistobenchError, ShapeError, WeightsError
else:
    __getattr__ = exports(
        __name__,
        {
            "histobench.contracts.cards": (
                "DatasetCard EncoderCard EncoderSlot MethodCard MetricCard Probe TargetFact Transform Weights"
            ),
            "histobench.contracts.drawing": "Drawer Drawing Viewer",
            "histobench.contracts.hookspecs": "hookimpl",
            "histobench.contracts.lazy": "lazy lazy_value",
            "histobench.contracts.protocols": (
                "ContextMetric Dataset Encoder FitContext Method Metric Mode PatchGeometry SlideImage TrainableEncoder"
            ),
            "histobench.data": (
                "Counts Float Generated Hidden ImageFeatures Int Kind LabelledSamples Lattice Pairing Patches "
                "Prediction Samples ScoreContext Slide Split SpotTable Targets TrainingFacts UInt8"
            ),
            "histobench.data.splits": "PublishedFold Scheme leave_one_patient_out leave_one_slide_out",
            "histobench.errors": "ConfigError DataError HistobenchError ShapeError WeightsError",
        },
    )

__all__ = [
    "ConfigError", "ContextMetric", "Counts", "DataError", "Dataset", "DatasetCard", "Drawer", "Drawing", "Encoder",
    "EncoderCard", "EncoderSlot", "FitContext", "Float", "Generated", "Hidden", "HistobenchError", "ImageFeatures",
    "Int", "Kind", "LabelledSamples", "Lattice", "Method", "MethodCard", "Metric", "MetricCard", "Mode", "Pairing",
    "PatchGeometry", "Patches", "Prediction", "Probe", "PublishedFold", "Samples", "Scheme", "ScoreContext",
    "ShapeError", "Slide", "SlideImage", "Split", "SpotTable", "TargetFact", "Targets", "TrainableEncoder",
    "TrainingFacts", "Transform", "UInt8", "Viewer", "Weights", "WeightsError", "hookimpl", "lazy", "lazy_value",
    "leave_one_patient_out", "leave_one_slide_out",
]  # fmt: skip
