"""The oracle: the truth from which the targets were drawn, where it is known; no honest method can score higher."""

from pathlib import Path

from typing_extensions import override

from histobench import DataError, FitContext, LabelledSamples, Method, Prediction, Samples
from histobench_heads.controls.options import NoOptions
from histobench_heads.frames.saved import read_facts, write_facts

__all__ = ["Oracle"]


class Oracle(Method):
    """Predict the truth behind the targets, which the samples must contain."""

    def __init__(self, options: NoOptions) -> None:
        self.options = options
        self._names: tuple[str, ...] = ()

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        self._names = train.targets.names

    @override
    def predict(self, samples: Samples) -> Prediction:
        if samples.oracle is None:
            raise DataError("the oracle needs samples with the truth, and only datasets that know the truth have them.")
        column = {name: number for number, name in enumerate(samples.oracle.names)}
        unknown = [name for name in self._names if name not in column]
        if unknown:
            raise DataError(f"the truth of this dataset does not cover {len(unknown)} targets, e.g. {unknown[0]!r}.")
        return Prediction(names=self._names, values=samples.oracle.values[:, [column[name] for name in self._names]])

    @override
    def save(self, folder: Path) -> None:
        write_facts(folder, {"targets": self._names})

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        self._names = tuple(read_facts(folder)["targets"])
