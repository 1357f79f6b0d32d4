"""Position only: predict from the position within the tissue, without any image.

Tumour grows in the middle of a biopsy and fat at its rim, so a method that has only learned the position of a spot
can score. Positions are compared between slides by their coordinates within the bounding box of the slide's spots, each
axis from 0 to 1; a spot is predicted as the mean of the nearest training spots, whatever their slide.
"""

from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree
from typing_extensions import override

from histobench import FitContext, Float, LabelledSamples, Method, Prediction, Samples
from histobench_heads.controls.options import PositionOptions
from histobench_heads.frames.saved import read_arrays, write_arrays

__all__ = ["Position", "place_in_tissue"]


def place_in_tissue(samples: Samples, /) -> Float:
    """Scale positions to the bounding box of their slide's spots.

    Returns
    -------
    (n, 2) float64 in [0, 1]
        0.5 along an axis on which all spots of a slide have the same coordinate.
    """
    places: Float = np.full((len(samples), 2), 0.5)
    for _, rows in samples.by_slide():
        xy = samples.xy_um[rows].astype(np.float64)
        low, extent = xy.min(axis=0), np.ptp(xy, axis=0)
        places[rows] = np.divide(xy - low, extent, out=np.full_like(xy, 0.5), where=extent > 0)
    return places


class Position(Method):
    """Average the training spots with the nearest positions."""

    def __init__(self, options: PositionOptions) -> None:
        self.options = options
        self._names: tuple[str, ...] = ()
        self._places: Float = np.empty((0, 2))
        self._values: Float = np.empty((0, 0), dtype=np.float32)

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        self._names = train.targets.names
        self._places = place_in_tissue(train)
        self._values = train.targets.values

    @override
    def predict(self, samples: Samples) -> Prediction:
        k = min(self.options.neighbours, len(self._places))
        _, nearest = cKDTree(self._places).query(place_in_tissue(samples), k=range(1, k + 1))
        # a sum of sorted rows: the order of equally near spots must not decide the last bit
        values = self._values[np.sort(nearest, axis=1)].mean(axis=1, dtype=np.float64)
        return Prediction(names=self._names, values=values.astype(np.float32))

    @override
    def save(self, folder: Path) -> None:
        write_arrays(folder, {"names": self._names, "places": self._places, "values": self._values})

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        arrays = read_arrays(folder)
        self._names = tuple(map(str, arrays["names"]))
        self._places, self._values = arrays["places"], arrays["values"]
