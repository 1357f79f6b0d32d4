"""Nearest training patch: every test spot gets the targets of the training patch that looks most like it.

A method that scores no better has only learned to look up patches. The control also reveals near duplicates between
training and test: it is the first to rise if a slide, or a neighbouring section, is on both sides.

References
----------
Cover & Hart (1967), *IEEE Trans. Inf. Theory* 13:21–27.
"""

from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree
from typing_extensions import override

from histobench import FitContext, Float, LabelledSamples, Method, Prediction, Samples
from histobench_heads.controls.options import NoOptions
from histobench_heads.frames.ridge.solver import Design
from histobench_heads.frames.saved import read_arrays, write_arrays

__all__ = ["Nearest"]


class Nearest(Method):
    """Copy the targets of the training spot whose standardised embedding is nearest in Euclidean distance."""

    def __init__(self, options: NoOptions) -> None:
        self.options = options
        self._names: tuple[str, ...] = ()
        self._design = Design(mean=np.empty(0), deviation=np.empty(0))
        self._known: Float = np.empty((0, 0))
        self._values: Float = np.empty((0, 0), dtype=np.float32)

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        embeddings = train.need_embeddings("nearest-patch")
        self._names = train.targets.names
        self._design = Design.of(embeddings)
        self._known = self._design(embeddings)
        self._values = train.targets.values

    @override
    def predict(self, samples: Samples) -> Prediction:
        _, nearest = cKDTree(self._known).query(self._design(samples.need_embeddings("nearest-patch")))
        return Prediction(names=self._names, values=self._values[nearest].copy())

    @override
    def save(self, folder: Path) -> None:
        arrays = {"mean": self._design.mean, "deviation": self._design.deviation, "known": self._known}
        write_arrays(folder, {"names": self._names, **arrays, "values": self._values})

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        arrays = read_arrays(folder)
        self._names = tuple(map(str, arrays["names"]))
        self._design = Design(mean=arrays["mean"], deviation=arrays["deviation"])
        self._known, self._values = arrays["known"], arrays["values"]
