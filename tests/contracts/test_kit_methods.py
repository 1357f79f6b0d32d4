"""The kit finds the method that breaks each promise."""

import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from histobench import (
    DataError,
    EncoderSlot,
    FitContext,
    Float,
    LabelledSamples,
    Method,
    MethodCard,
    Pairing,
    Prediction,
    Samples,
    ShapeError,
)
from histobench.testing import ContractError, check_method, trials

FROZEN = EncoderSlot(default="toy", default_mode="frozen", modes=("frozen",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    shrink: float = 1.0
    epochs: int = 100


class Honest:
    """Least squares on embeddings, with noise from the seed so that seeds matter."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        assert train.embeddings is not None
        # the embeddings have half the rank of their width: without a cut, the weights depend on the machine
        weights = np.linalg.lstsq(train.embeddings, train.targets.values, rcond=1e-4)[0]
        jitter = np.random.default_rng(context.seed).normal(0.0, 0.01, weights.shape)
        self.weights = (weights * self.options.shrink + jitter).astype(np.float32)
        self.names = train.targets.names
        for epoch in range(self.options.epochs):
            context.report(epoch, {"loss": 1.0 / (1 + epoch)})

    def predict(self, samples: Samples) -> Prediction:
        assert samples.embeddings is not None
        return Prediction(names=self.names, values=self.change(samples.embeddings @ self.weights, samples))

    def change(self, values: Float, samples: Samples) -> Float:
        return values

    def save(self, folder: Path) -> None:
        np.savez(folder / "weights.npz", weights=self.weights, names=np.array(self.names))

    def load(self, folder: Path, context: FitContext) -> None:
        with np.load(folder / "weights.npz", allow_pickle=False) as stored:
            self.weights = stored["weights"]
            self.names = tuple(str(name) for name in stored["names"])


def card(method: Callable[[Options], Method] = Honest, **facts: Any) -> MethodCard:  # Any: one wrong fact at a time
    plain = MethodCard(
        name="toy",
        title="toy method",
        licence="CC0-1.0",
        build=method,
        options=Options,
        targets=("cell_abundance",),
        encoder=FROZEN,
    )
    return replace(plain, **facts)


class NotFinite(Honest):
    def change(self, values: Float, samples: Samples) -> Float:
        return values * np.float32(np.nan)


class OneColumn(Honest):
    def change(self, values: Float, samples: Samples) -> Float:
        return values[:, 0]


class FewerSpots(Honest):
    def change(self, values: Float, samples: Samples) -> Float:
        return values[1:]


class OtherNames(Honest):
    def predict(self, samples: Samples) -> Prediction:
        return replace(super().predict(samples), names=self.names[::-1])


class BareArray(Honest):
    def predict(self, samples: Samples) -> Prediction:
        return super().predict(samples).values  # type: ignore[return-value]  # the offence


class Company(Honest):
    def change(self, values: Float, samples: Samples) -> Float:
        company: Float = values - values.mean(axis=0)
        return company


class Unsettled(Honest):
    def change(self, values: Float, samples: Samples) -> Float:
        return values + np.float32(np.random.default_rng().random())


class Scribbles(Honest):
    def change(self, values: Float, samples: Samples) -> Float:
        samples.xy_um[:] = 0
        return values


class ScalesTargets(Honest):
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        train.targets.values[:] /= 2
        super().fit(train, val, context)


class ForgetsSeed(Honest):
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        super().fit(train, val, replace(context, seed=int(np.random.default_rng().integers(2**31))))


class SeedsNumpy(Honest):
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        np.random.seed(context.seed)  # noqa: NPY002 -- the offence
        super().fit(train, val, context)


class SeedsPython(Honest):
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        random.seed(context.seed)
        super().fit(train, val, context)


class SeedsTorch(Honest):
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        torch.manual_seed(context.seed)
        super().fit(train, val, context)


class Prints(Honest):
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        print("epoch 1")
        super().fit(train, val, context)


class NeedsValidation(Honest):
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        if val is None:
            raise DataError("no validation slides.")
        super().fit(train, val, context)


class CountsFromOne(Honest):
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        super().fit(train, val, replace(context, report=lambda epoch, numbers: context.report(epoch + 1, numbers)))


class ReportsTwice(Honest):
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        super().fit(train, val, context)
        context.report(0, {"loss": 0.0})


class ReportsText(Honest):
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        super().fit(train, val, replace(context, report=lambda _epoch, _numbers: None))
        context.report(0, {"loss": "low"})  # type: ignore[dict-item]  # the offence


class Pickles(Honest):
    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / "model.pkl").write_bytes(pickle.dumps(self.names))


class SavesHalf(Honest):
    def save(self, folder: Path) -> None:
        np.savez(folder / "weights.npz", weights=self.weights / 2, names=np.array(self.names))


def test_honest_method_passes() -> None:
    check_method(card())


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        (NotFinite, "prediction must be finite"),
        (OneColumn, r"prediction must be \(n_spots, 5\)"),
        (FewerSpots, r"prediction must be \(60, 5\), got \(59, 5\)"),
        (OtherNames, "prediction names 'endothelium' where the task has 'tumour'"),
    ],
)
def test_wrong_prediction_is_refused(method: type[Method], sentence: str) -> None:
    with pytest.raises(ShapeError, match=sentence):
        check_method(card(method))


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        (BareArray, "predict must return a Prediction"),
        (Company, "the prediction of a spot depends on the others"),
        (Unsettled, "two predictions of the same spots differ"),
        (Scribbles, "predict changes what it is given"),
        (ScalesTargets, "fit changes what it is given"),
        (ForgetsSeed, "the same seed gives another prediction"),
        (SeedsNumpy, "fit draws from or seeds numpy's global generator"),
        (SeedsPython, "fit draws from or seeds python's global generator"),
        (SeedsTorch, "fit draws from or seeds torch's global generator"),
        (Prints, "fit prints 'epoch 1"),
        (CountsFromOne, "epochs count from 0"),
        (ReportsTwice, "reports epochs out of order or twice"),
        (ReportsText, r"reports \['loss'\] that is not a number"),
        (Pickles, r"saves \['model.pkl'\]; a pickle can run code"),
        (SavesHalf, "loaded from its folder, it predicts other values"),
    ],
)
def test_broken_method_is_told_apart(method: type[Method], sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        check_method(card(method))


class Peeks(Honest):
    """Places a spot's expression where its image is."""

    def predict(self, samples: Samples) -> Pairing:  # type: ignore[override]
        image = super().predict(samples).values
        return Pairing(image=image, expression=image)


def test_neither_side_of_a_retrieval_may_know_the_other() -> None:
    with pytest.raises(ContractError, match="the vector of a spot's image depends on its expression"):
        check_method(card(Peeks, targets=("retrieve",)))


def test_method_that_cannot_do_without_validation_fails() -> None:
    with pytest.raises(DataError, match="no validation slides"):
        check_method(card(NeedsValidation))


def test_spots_may_need_each_other_where_the_card_says_so() -> None:
    check_method(card(Company, unit="slide"))


@dataclass(slots=True)
class Thawed:
    epochs: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    epochs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lossy:
    epochs: int = 1
    names: Any = field(default_factory=lambda: {1})  # Any: a set, which JSON has not


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"name": "Toy"}, "lower-case kebab"),
        ({"options": Thawed}, "options must be a frozen dataclass, got 'Thawed'"),
        ({"options": dict}, "options must be a frozen dataclass, got 'dict'"),
        ({"options": Bare}, "its option 'epochs' has no default"),
        ({"options": Lossy}, "do not survive JSON"),
        ({"presets": {"quick": {"epoch": 1}}}, "sets unknown options: .*Did you mean 'epochs'"),
        ({"dataset_options": {"her2st": {"shrin": 1}}}, "Did you mean 'shrink'"),
        ({"kind_options": {"label": {"epochs": "many"}}}, "sets unknown options"),
        ({"targets": ()}, "serves no kind of target"),
        ({"encoder": replace(FROZEN, default_mode="full")}, "published mode 'full' is not among its modes"),
        ({"encoder": replace(FROZEN, scratch="toy")}, "scratch mode 'full' is not among its modes"),
    ],
)
def test_wrong_fact_is_told(facts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        check_method(card(**facts))


def test_trials_cross_modes_with_the_first_kind_only() -> None:
    slot = EncoderSlot(default="toy", default_mode="lora", modes=("lora", "full", "frozen"))
    found = [str(t) for t in trials(card(encoder=slot, targets=("label", "cell_abundance")))]
    assert found == ["toy label lora", "toy label full", "toy label frozen", "toy cell_abundance frozen"]
    assert [str(t) for t in trials(card(encoder=None))] == ["toy cell_abundance"]
