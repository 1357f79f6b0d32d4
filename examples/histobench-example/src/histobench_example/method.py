"""A method: nearest neighbours in embedding space."""

from pathlib import Path

import numpy as np

from histobench import FitContext, LabelledSamples, Prediction, Samples
from histobench_example.options import NearestOptions

__all__ = ["Nearest"]


class Nearest:
    """Predict the mean of the nearest training spots; implements ``histobench.Method``."""

    def __init__(self, options: NearestOptions) -> None:
        self._options = options

    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        """Store the training spots."""
        self._spots, self._values = train.need_embeddings("nearest"), train.targets.values
        self._names = train.targets.names

    def predict(self, samples: Samples) -> Prediction:
        """Average the nearest training spots of each spot."""
        spots = samples.need_embeddings("nearest")
        rows = [np.linalg.norm(self._spots - spot, axis=1).argsort(kind="stable") for spot in spots]
        nearest = np.stack(rows)[:, : self._options.neighbours]
        return Prediction(names=self._names, values=self._values[nearest].mean(axis=1))

    def save(self, folder: Path) -> None:
        """Write the training spots."""
        np.savez(folder / "spots.npz", spots=self._spots, values=self._values, names=np.array(self._names))

    def load(self, folder: Path, context: FitContext) -> None:
        """Read the training spots."""
        with np.load(folder / "spots.npz", allow_pickle=False) as stored:
            self._spots, self._values = stored["spots"], stored["values"]
            self._names = tuple(str(name) for name in stored["names"])
