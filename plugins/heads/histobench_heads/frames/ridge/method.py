"""Ridge regression from frozen embeddings: the simple, strong baseline that every learned head has to beat.

Embeddings are standardised on the training spots; one penalty serves all targets and is chosen by cross-validation
within the training slides. Validation slides are not used. On the encoder ``colour-stats`` it is the colour control.

Every predicted amount has an interval that should contain 90 % of the observations: the prediction plus and minus the
conformal quantile, per target, of the cross-validation errors on held-out patients (or slides). Its width is the same
at every spot. It keeps its level if the errors of a new patient are distributed as those of held-out training
patients, and if one fold fewer changes the fit little. With a handful of patients the former is a guess, which interval
scores test. Labels have no interval because 0 and 1 are not amounts, nor has enhanced expression, which is learned from
other molecules than those it is scored on.

References
----------
Hoerl & Kennard (1970), *Technometrics* 12:55–67. Barber et al. (2021), Predictive inference with the jackknife+,
*Annals of Statistics* 49:486–507; this is its simple form, around the fit of all spots.
"""

from pathlib import Path

import numpy as np
from typing_extensions import override

from histobench import FitContext, Float, LabelledSamples, Method, Prediction, Samples
from histobench_heads.frames.ridge.options import RidgeOptions
from histobench_heads.frames.ridge.selection import choose_penalty, groups_of
from histobench_heads.frames.ridge.solver import Design, Spectrum
from histobench_heads.frames.saved import read_arrays, write_arrays

__all__ = ["LEVEL", "Ridge"]

LEVEL = 0.9
"""Share of the observations that an interval should contain; the same for all methods."""


class Ridge(Method):
    """Predict every target as a linear function of the embedding.

    Attributes
    ----------
    penalty
        The chosen penalty per training spot; NaN before `fit`.
    """

    def __init__(self, options: RidgeOptions) -> None:
        self.options = options
        self.penalty = float("nan")
        self._names: tuple[str, ...] = ()
        self._design = Design(mean=np.empty(0), deviation=np.empty(0))
        self._weights: Float = np.empty((0, 0))
        self._intercept: Float = np.empty(0)
        self._margin: Float | None = None

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        embeddings, targets = train.need_embeddings("ridge"), train.targets.values.astype(np.float64)
        options = self.options
        choice = choose_penalty(
            embeddings,
            targets,
            groups=groups_of(train, blocks=options.folds),
            penalties=np.logspace(options.lowest, options.highest, options.steps),
            folds=options.folds,
        )
        self.penalty = choice.penalty
        self._margin = None if train.targets.kind in ("label", "enhance") else choice.margin(LEVEL)
        self._names = train.targets.names
        self._design = Design.of(embeddings)
        self._intercept = targets.mean(axis=0)
        spectrum = Spectrum.of(self._design(embeddings), targets - self._intercept)
        self._weights = spectrum.weights(self.penalty * len(train))
        context.report(0, {"penalty": self.penalty, "held_out_error": float(choice.errors.min())})

    @override
    def predict(self, samples: Samples) -> Prediction:
        values = self._design(samples.need_embeddings("ridge")) @ self._weights + self._intercept
        ends = {} if self._margin is None else {"low": values - self._margin, "high": values + self._margin}
        return Prediction(names=self._names, values=values.astype(np.float32), parameters=ends)

    @override
    def save(self, folder: Path) -> None:
        write_arrays(
            folder,
            {
                "names": self._names,
                "penalty": self.penalty,
                "mean": self._design.mean,
                "deviation": self._design.deviation,
                "weights": self._weights,
                "intercept": self._intercept,
                **({} if self._margin is None else {"margin": self._margin}),
            },
        )

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        arrays = read_arrays(folder)
        self._names = tuple(map(str, arrays["names"]))
        self.penalty = float(arrays["penalty"])
        self._design = Design(mean=arrays["mean"], deviation=arrays["deviation"])
        self._weights, self._intercept = arrays["weights"], arrays["intercept"]
        self._margin = arrays.get("margin")
