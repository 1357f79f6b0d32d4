"""The mean of the training targets, without any information about the test slide."""

from pathlib import Path

import numpy as np
from typing_extensions import override

from histobench import FitContext, Float, LabelledSamples, Method, Prediction, Samples
from histobench_heads.controls.options import NoOptions
from histobench_heads.frames.saved import read_arrays, write_arrays

__all__ = ["Mean"]


class Mean(Method):
    """Predict the mean of the training spots at every spot, target by target.

    Its correlation is undefined by construction; its errors give the scale of errors.
    """

    def __init__(self, options: NoOptions) -> None:
        self.options = options
        self._names: tuple[str, ...] = ()
        self._mean: Float = np.empty(0, dtype=np.float32)

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        self._names = train.targets.names
        self._mean = train.targets.values.mean(axis=0, dtype=np.float64).astype(np.float32)

    @override
    def predict(self, samples: Samples) -> Prediction:
        return Prediction(names=self._names, values=np.tile(self._mean, (len(samples), 1)))

    @override
    def save(self, folder: Path) -> None:
        write_arrays(folder, {"names": self._names, "mean": self._mean})

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        arrays = read_arrays(folder)
        self._names = tuple(map(str, arrays["names"]))
        self._mean = arrays["mean"]
