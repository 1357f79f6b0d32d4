"""HEST-Benchmark's protocol: 256 principal components of the embeddings, then ridge with a fixed penalty.

The benchmark of foundation models by Jaume et al. (2024) puts this head behind every encoder, so that encoders and not
heads are compared: nothing is selected, and every target gets the same penalty. Written from the specification
``datasets.md``, section 5; HEST's code is CC BY-NC-SA 4.0 and was not consulted.

Differences from the published method
-------------------------------------
* The specification does not mention scaling: embeddings are centred, as principal components must be, and not scaled
  (``standardise=True`` gives every dimension variance 1 first).
* Components are computed exactly, so that two runs agree; the specification names no solver.
* Fewer training spots than 256 give as many components as there are, and the record has a warning.
* ``dims`` in the penalty 100 / (dims × targets) counts the components, which are the input of the ridge.
* Targets are the platform's: HEST's 50 genes as ln(1 + count) are one panel and unit of several.

References
----------
Jaume et al. (2024), HEST-1k, *NeurIPS Datasets and Benchmarks*.
"""

from pathlib import Path

import numpy as np
from typing_extensions import override

from histobench import FitContext, Float, LabelledSamples, Method, Prediction, Samples
from histobench_heads.frames.components import Components
from histobench_heads.frames.ridge.solver import Design, Spectrum
from histobench_heads.frames.saved import read_arrays, write_arrays
from histobench_heads.ridge.options import HestRidgeOptions

__all__ = ["HestRidge", "hest_penalty"]


def hest_penalty(dims: int, n_targets: int) -> float:
    """Return the penalty on the sum of squared errors: 100 / (dims × targets)."""
    return 100 / (dims * n_targets)


class HestRidge(Method):
    """Predict every target as a linear function of the embedding's first components."""

    def __init__(self, options: HestRidgeOptions) -> None:
        self.options = options
        self._names: tuple[str, ...] = ()
        # components and ridge are one affine map of the embedding
        self._weights: Float = np.empty((0, 0))
        self._intercept: Float = np.empty(0)

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        embeddings = train.need_embeddings("hest-ridge").astype(np.float64)
        targets = train.targets.values.astype(np.float64)
        design = Design.of(embeddings)
        scale = design.deviation if self.options.standardise else np.ones_like(design.deviation)
        components = Components.of(embeddings / scale, self.options.components)
        projected = components(embeddings / scale)
        penalty = hest_penalty(projected.shape[1], targets.shape[1])
        mean = targets.mean(axis=0)
        self._names = train.targets.names
        self._weights = components.axes.T @ Spectrum.of(projected, targets - mean).weights(penalty) / scale[:, None]
        self._intercept = mean - components.mean * scale @ self._weights
        context.report(0, {"components": float(projected.shape[1]), "penalty": penalty})

    @override
    def predict(self, samples: Samples) -> Prediction:
        values = samples.need_embeddings("hest-ridge").astype(np.float64) @ self._weights + self._intercept
        return Prediction(names=self._names, values=values.astype(np.float32))

    @override
    def save(self, folder: Path) -> None:
        write_arrays(folder, {"names": self._names, "weights": self._weights, "intercept": self._intercept})

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        arrays = read_arrays(folder)
        self._names = tuple(map(str, arrays["names"]))
        self._weights, self._intercept = arrays["weights"], arrays["intercept"]
