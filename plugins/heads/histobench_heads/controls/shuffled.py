"""Shuffled targets: ridge regression from the right patches to the targets of the wrong spots.

It must score nothing. If it scores, something other than the patch reveals the test targets: a leak, or a metric that
does not need them.

References
----------
Ojala & Garriga (2010), *J. Mach. Learn. Res.* 11:1833–1863: permutation tests for the performance of classifiers.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from typing_extensions import override

from histobench import FitContext, LabelledSamples, Method, Prediction, Samples
from histobench_heads.controls.options import ShuffledOptions
from histobench_heads.frames.ridge.method import Ridge
from histobench_heads.frames.ridge.options import RidgeOptions

__all__ = ["Shuffled"]


class Shuffled(Method):
    """Permute the rows of targets among all training spots, and fit ridge regression to them.

    The penalty is fixed: cross-validation on shuffled targets would choose the largest one, which predicts
    the mean and has no score.
    """

    def __init__(self, options: ShuffledOptions) -> None:
        self.options = options
        fixed = float(np.log10(options.penalty))
        self._ridge = Ridge(RidgeOptions(lowest=fixed, highest=fixed, steps=1))

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        order = np.random.default_rng(context.seed).permutation(len(train))
        self._ridge.fit(replace(train, targets=train.targets.take(order)), None, context)

    @override
    def predict(self, samples: Samples) -> Prediction:
        return replace(self._ridge.predict(samples), parameters={})

    @override
    def save(self, folder: Path) -> None:
        self._ridge.save(folder)

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        self._ridge.load(folder, context)
