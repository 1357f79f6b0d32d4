"""The cards: facts for planning, and how each plugin is built. Imports stand inside the build functions."""

from pathlib import Path

from histobench import (
    Dataset,
    DatasetCard,
    Encoder,
    EncoderCard,
    EncoderSlot,
    Method,
    MethodCard,
    Metric,
    MetricCard,
    PatchGeometry,
    TargetFact,
)
from histobench_example.options import NearestOptions

__all__ = ["DATASETS", "ENCODERS", "METHODS", "METRICS"]


def _grid_colours(geometry: PatchGeometry | None) -> Encoder:
    from histobench_example.encoder import GridColours

    return GridColours(geometry or PatchGeometry())


def _nearest(options: NearestOptions) -> Method:
    from histobench_example.method import Nearest

    return Nearest(options)


def _stripes(_root: Path | None) -> Dataset:
    from histobench_example.dataset import Stripes

    return Stripes()


def _median_error() -> Metric:
    from histobench_example.metric import median_error

    return median_error


ENCODERS = [
    EncoderCard(
        name="grid-colours",
        title="mean colour of each cell of a 4 x 4 grid",
        licence="Apache-2.0",
        dim=48,
        build=_grid_colours,
    )
]

METHODS = [
    MethodCard(
        name="nearest",
        title="mean of the training spots whose embeddings are nearest",
        licence="Apache-2.0",
        citation="Fix & Hodges (1951), USAF School of Aviation Medicine, report 4",
        build=_nearest,
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
        build=_stripes,
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
        title="median absolute error: half of the spots are nearer",
        licence="Apache-2.0",
        build=_median_error,
        kinds=("cell_abundance", "gene_expression"),
        higher_is_better=False,
        lowest=0.0,
        unit="target",
        gamed_by="predicting nothing, where a target is absent from most spots",
    )
]
