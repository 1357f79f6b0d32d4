"""A method: nearest neighbours in the space of embeddings."""

from pathlib import Path

import numpy as np

from histobench import ConfigError, FitContext, Float, LabelledSamples, Prediction, Samples
from histobench_example.options import NearestOptions

__all__ = ["Nearest"]


class Nearest:
    """Predict the mean of the nearest training spots; implements ``histobench.Method``."""

    def __init__(self, options: NearestOptions) -> None:
        self._options = options

    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        """Remember the training spots."""
        self._spots, self._values, self._names = _embeddings(train), train.targets.values, train.targets.names

    def predict(self, samples: Samples) -> Prediction:
        """Average over the nearest training spots, one spot at a time."""
        rows = [np.linalg.norm(self._spots - spot, axis=1).argsort(kind="stable") for spot in _embeddings(samples)]
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


def _embeddings(samples: Samples) -> Float:
    if samples.embeddings is None:
        raise ConfigError("nearest needs embeddings; give it an encoder.")
    return samples.embeddings
