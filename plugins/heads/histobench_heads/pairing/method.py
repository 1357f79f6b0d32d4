"""Canonical correlation between frozen embeddings and expression: the linear baseline of retrieval.

The first principal components of standardised embeddings and of log-normalised expression are correlated by canonical
correlation with a ridge penalty; the pairs of directions of highest correlation are the shared space. There are no
training steps and no randomness. On the encoder ``colour-stats`` it is a control: what colours reveal of a spot's
expression. Counts are read as the contrastive model reads them (`frames.clip.vocabulary`).

References
----------
Hotelling (1936), *Biometrika* 28:321–377. Vinod (1976), *J. Econometrics* 4:147–166: with a ridge penalty.
"""

from pathlib import Path

import numpy as np
from typing_extensions import override

from histobench import FitContext, Float, LabelledSamples, Method, Pairing, Samples
from histobench_heads.frames.clip.options import ClipOptions
from histobench_heads.frames.clip.vocabulary import Vocabulary
from histobench_heads.frames.components import Components
from histobench_heads.frames.ridge.solver import Design
from histobench_heads.frames.saved import read_arrays, read_facts, write_arrays, write_facts
from histobench_heads.pairing.correlation import Correlation
from histobench_heads.pairing.options import CcaOptions

__all__ = ["Cca"]


class Cca(Method):
    """Place the image and the expression of every spot along their canonical pairs.

    Attributes
    ----------
    correlations
        (r,) correlations of the pairs; empty before `fit`.
    """

    def __init__(self, options: CcaOptions) -> None:
        self.options = options
        self.correlations: Float = np.empty(0)
        self._vocabulary = Vocabulary(names=())
        self._design = Design(mean=np.empty(0), deviation=np.empty(0))
        # components and pairs together are one affine map per side
        self._maps: dict[str, Float] = {}

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        options, counts = self.options, train.need_counts("canonical correlation")
        self._vocabulary = Vocabulary.of(counts, train.slide_ids, ClipOptions(n_genes=options.n_genes))
        self._design = Design.of(train.need_embeddings("canonical correlation"))
        sides = (
            self._design(train.need_embeddings("canonical correlation")),
            self._vocabulary.read(counts, train.slide_ids).astype(np.float64),
        )
        components = [Components.of(side, options.components) for side in sides]
        projected = [found(side) for found, side in zip(components, sides, strict=True)]
        found = Correlation.of(*projected, pairs=options.pairs, penalty=options.penalty)
        self.correlations = found.correlations
        self._maps = {
            "image": components[0].axes.T @ found.first,
            "image_mean": components[0].mean,
            "expression": components[1].axes.T @ found.second,
            "expression_mean": components[1].mean,
        }
        context.report(0, {"pairs": float(len(found.correlations)), "correlation": float(found.correlations[0])})

    @override
    def predict(self, samples: Samples) -> Pairing:
        image = self._design(samples.need_embeddings("canonical correlation"))
        expression = self._vocabulary.read(samples.need_counts("canonical correlation")).astype(np.float64)
        return Pairing(image=self._place("image", image), expression=self._place("expression", expression))

    @override
    def save(self, folder: Path) -> None:
        write_facts(folder, self._vocabulary.as_facts())
        design = {"mean": self._design.mean, "deviation": self._design.deviation}
        write_arrays(folder, {"correlations": self.correlations, **design, **self._maps})

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        arrays = read_arrays(folder)
        self._vocabulary = Vocabulary.from_facts(read_facts(folder))
        self.correlations = arrays.pop("correlations")
        self._design = Design(mean=arrays.pop("mean"), deviation=arrays.pop("deviation"))
        self._maps = arrays

    def _place(self, side: str, values: Float) -> Float:
        placed: Float = ((values - self._maps[f"{side}_mean"]) @ self._maps[side]).astype(np.float32)
        return placed
