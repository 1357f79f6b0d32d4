"""The cards of the controls of enhancement, which always run."""

from histobench import lazy
from histobench_heads.enhancement.options import LatentOptions, NeighbourMeanOptions
from histobench_heads.frames.cards import control

__all__ = ["NEIGHBOUR_MEAN", "PCA_RECONSTRUCTION", "RAW_COUNTS"]

RAW_COUNTS = control(
    name="raw-counts",
    title="control: the unchanged input",
    build=lazy("histobench_heads.enhancement.method:RawCounts"),
    options=LatentOptions,
    targets=("enhance",),
    unit="slide",  # the latent belongs to the section
)
"""The unchanged input."""

NEIGHBOUR_MEAN = control(
    name="neighbour-mean",
    title="control: the mean of a spot's expression and its neighbours'",
    build=lazy("histobench_heads.enhancement.method:NeighbourMean"),
    options=NeighbourMeanOptions,
    targets=("enhance",),
    unit="slide",
)
"""Position without a model."""

PCA_RECONSTRUCTION = control(
    name="pca-reconstruction",
    title="control: a section's expression rebuilt from its own first principal components",
    citation="Pearson (1901), Philos. Mag. 2:559-572",
    build=lazy("histobench_heads.enhancement.method:PcaReconstruction"),
    options=LatentOptions,
    targets=("enhance",),
    unit="slide",
)
"""Few dimensions without position."""
