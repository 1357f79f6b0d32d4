"""The cards: the facts of each plugin, and how to build it. `lazy` imports a module only when it is needed."""

from histobench import (
    DatasetCard,
    EncoderCard,
    EncoderSlot,
    MethodCard,
    MetricCard,
    TargetFact,
    lazy,
    lazy_value,
)
from histobench_example.options import NearestOptions

__all__ = ["DATASETS", "ENCODERS", "METHODS", "METRICS"]

ENCODERS = [
    EncoderCard(
        name="grid-colours",
        title="mean colour of each cell of a 4 x 4 grid",
        licence="Apache-2.0",
        dim=48,
        build=lazy("histobench_example.encoder:GridColours"),
    )
]

METHODS = [
    MethodCard(
        name="nearest",
        title="mean of the training spots with the nearest embeddings",
        licence="Apache-2.0",
        citation="Fix & Hodges (1951), USAF School of Aviation Medicine, report 4",
        build=lazy("histobench_example.method:Nearest"),
        options=NearestOptions,
        targets=("cell_abundance", "gene_expression", "label"),
        encoder=EncoderSlot(default="grid-colours", default_mode="frozen", modes=("frozen",)),
    )
]

DATASETS = [
    DatasetCard(
        name="stripes",
        title="three patients, striped tissue",
        licence="CC0-1.0",
        build=lazy("histobench_example.dataset:Stripes"),
        targets=(
            TargetFact(
                name="cell_abundance", kind="cell_abundance", title="dark cells, light cells", unit="cells per spot"
            ),
        ),
        n_slides=3,
        n_patients=3,
        generated=True,
    )
]

METRICS = [
    MetricCard(
        name="median-error",
        title="median absolute error: half of the spots have a smaller error",
        licence="Apache-2.0",
        build=lazy_value("histobench_example.metric:median_error"),
        kinds=("cell_abundance", "gene_expression"),
        higher_is_better=False,
        lowest=0.0,
        unit="target",
        gamed_by="predicting nothing, where a target is absent from most spots",
    )
]
