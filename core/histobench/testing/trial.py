"""One trial of a method: it trains on two toy patients and predicts a third, under observation."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from histobench.contracts.cards import MethodCard
from histobench.contracts.protocols import FitContext, Method, Mode, Options
from histobench.contracts.tasks import TASKS
from histobench.data import (
    Float,
    Generated,
    Kind,
    LabelledSamples,
    Pairing,
    Prediction,
    Samples,
    Targets,
)
from histobench.study.config import RunConfig, method_options
from histobench.testing.encoder import ToyEncoder
from histobench.testing.facts import columns, expect, untouched
from histobench.testing.folds import toy_fold, unlabelled

__all__ = ["EPOCHS", "PATCH_PX", "Trial", "check_behaviour"]

EPOCHS = 2
"""Epochs of a trial, if the method has this option."""

PATCH_PX = 32
"""Side of the patches of a trial, in pixels."""

_ANSWERS: dict[Kind, type] = {"retrieve": Pairing, "generate": Generated}
_PICKLES = {".pkl", ".pickle", ".joblib"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One method, on one kind of target, in one mode of its encoder slot (``None`` without a slot)."""

    card: MethodCard
    kind: Kind
    mode: Mode | None

    def __str__(self) -> str:
        """Return the name of the trial: ``cuca cell_abundance full``."""
        return " ".join(part for part in (self.card.name, self.kind, self.mode) if part)


@dataclass(slots=True, kw_only=True)
class _Bench:
    """A trial with the data that a job would pass on, and the numbers that the method reports."""

    it: str
    trial: Trial
    train: LabelledSamples
    val: LabelledSamples
    test: Samples
    numbers: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)

    def new(self) -> Method:
        """Build the method with its quick options, further reduced."""
        return self.trial.card.build(_options(self.trial))

    def context(self, seed: int) -> FitContext:
        """Return a context, with the toy encoder if the method trains one."""
        return FitContext(
            seed=seed,
            mode=self.trial.mode or "frozen",
            encoder=ToyEncoder(patch_px=_patch_px(self.trial)) if _trains(self.trial) else None,
            report=lambda epoch, numbers: self.numbers.append((epoch, dict(numbers))),
        )

    def fit(self, val: LabelledSamples | None, *, seed: int) -> Method:
        """Train a new method."""
        self.numbers.clear()
        method = self.new()
        given = columns(self.train) + (columns(val) if val else [])
        with untouched(f"{self.it}: fit", *given):
            method.fit(self.train, val, self.context(seed))
        return method

    def predict(self, method: Method, samples: Samples) -> list[Float]:
        """Predict, check the answer as a job does, and return its tables, each with one row per spot."""
        with untouched(f"{self.it}: predict", *columns(samples)):
            answer = method.predict(samples)
        wanted = _ANSWERS.get(self.trial.kind, Prediction)
        expect(isinstance(answer, wanted), f"{self.it}: predict must return a {wanted.__name__}.")
        if isinstance(answer, Prediction):
            answer.check_against(len(samples), self.train.targets.names)
            unasked = sorted(set(answer.beside) - set(self.train.beside))
            expect(not unasked, f"{self.it}: it predicts the side targets {unasked}, which it did not train with.")
            return [answer.values] if answer.latent is None else [answer.values, answer.latent]
        expect(len(answer) == len(samples), f"{self.it}: it answers for {len(answer)} of {len(samples)} spots.")
        if isinstance(answer, Pairing):
            return [answer.image, answer.expression]
        return [answer.images.reshape(len(answer), -1).astype(np.float32)]


def check_behaviour(trial: Trial, /) -> None:
    """Train, predict, repeat, save and load, and check the contract at each step.

    Raises
    ------
    ContractError
        Naming the method and the first broken promise.
    ShapeError
        If it predicts wrong spots or targets, or values that are not finite.
    """
    bench = _bench(trial)
    method = bench.fit(bench.val, seed=1)
    _check_report(bench)
    prediction = bench.predict(method, bench.test)
    _check_again(bench, method, prediction)
    _check_parts(bench, method, prediction)
    _check_sides(bench, method, prediction)
    _check_seed(bench, prediction)
    _check_saved(bench, method, prediction)
    bench.predict(bench.fit(None, seed=1), bench.test)
    _check_without_optional(bench)


def _check_without_optional(bench: _Bench) -> None:
    """Train again without the optional side targets."""
    card = bench.trial.card
    if card.optional:
        without = [_required_only(samples, card) for samples in (bench.train, bench.val)]
        less = replace(bench, train=without[0], val=without[1])
        less.predict(less.fit(less.val, seed=1), less.test)


def _required_only(samples: LabelledSamples, card: MethodCard) -> LabelledSamples:
    kept: dict[str, Targets] = {name: values for name, values in samples.beside.items() if name in card.auxiliary}
    return replace(samples, beside=kept)


def _bench(trial: Trial) -> _Bench:
    card = trial.card
    beside = [name for name in (*card.auxiliary, *card.optional) if TASKS[trial.kind].may_train_with(name)]
    fold = toy_fold(trial.kind, patch_px=_patch_px(trial), beside=beside)
    train, val, test = (_feed(trial, side) for side in (fold.train, fold.val, fold.test))
    asked = unlabelled(test)
    if trial.kind == "generate":
        asked = replace(asked, patches=None)  # the patches to draw
    return _Bench(
        it=f"method {card.name!r} ({trial.kind}, {trial.mode or 'no encoder'})",
        trial=trial,
        train=train,
        val=val,
        test=replace(asked, oracle=fold.test.oracle) if card.needs_oracle else asked,
    )


def _options(trial: Trial) -> Options:
    """Return the method's quick options, further reduced."""
    card = trial.card
    preset = "quick" if "quick" in card.presets else "published"
    small = {f"{card.name}.patch_px": PATCH_PX} if hasattr(card.options(), "patch_px") else {}
    config = RunConfig(preset=preset, epochs=EPOCHS, set=small)
    return method_options(card, config, dataset="", kind=trial.kind, mode=trial.mode)


def _patch_px(trial: Trial) -> int:
    wished = trial.card.patch
    cached = trial.mode == "frozen" and trial.kind != "generate"
    return PATCH_PX if wished is None or cached else wished(_options(trial)).patch_px


def _trains(trial: Trial) -> bool:
    """Return whether the method receives the network: to train it, or to embed its own drawings."""
    return trial.mode in ("lora", "full") or (trial.kind == "generate" and trial.mode is not None)


def _feed(trial: Trial, samples: LabelledSamples) -> LabelledSamples:
    """Return the toy samples with the inputs that a job would pass in this mode."""
    draws = trial.kind == "generate"
    sees_patches = _trains(trial) or draws or (trial.mode is None and trial.card.patch is not None)
    return replace(
        samples,
        embeddings=samples.embeddings if trial.mode == "frozen" and not draws else None,
        patches=samples.patches if sees_patches else None,
        oracle=samples.oracle if trial.card.needs_oracle else None,
    )


def _check_report(bench: _Bench) -> None:
    epochs = [epoch for epoch, _ in bench.numbers]
    expect(epochs == sorted(set(epochs)), f"{bench.it}: it reports epochs out of order or twice: {epochs}.")
    expect(not epochs or epochs[0] == 0, f"{bench.it}: epochs count from 0, the first reported is {epochs[:1]}.")
    for _, numbers in bench.numbers:
        odd = [name for name, value in numbers.items() if not isinstance(value, float)]
        expect(not odd, f"{bench.it}: it reports {odd[:1]} that is not a number.")


def _check_again(bench: _Bench, method: Method, prediction: list[Float]) -> None:
    again = bench.predict(method, bench.test)
    expect(_same(prediction, again), f"{bench.it}: two predictions of the same spots differ.")


def _check_parts(bench: _Bench, method: Method, prediction: list[Float]) -> None:
    """Check that one spot can be predicted alone, with the same result if the method's unit is a spot."""
    rows = np.array([7])
    alone = bench.predict(method, bench.test.take(rows))
    if bench.trial.card.unit == "spot":
        pairs = zip(alone, prediction, strict=True)
        # pixels may be rounded differently
        slack = 1.0 if bench.trial.kind == "generate" else 1e-5
        alike = all(np.allclose(one, whole[rows], rtol=1e-4, atol=slack) for one, whole in pairs)
        expect(alike, f"{bench.it}: its card's unit is a spot, but the prediction of a spot depends on the others.")


def _check_sides(bench: _Bench, method: Method, prediction: list[Float]) -> None:
    """Check for ``retrieve`` that the vectors of images do not depend on expression, and the reverse."""
    counts, embeddings = bench.test.counts, bench.test.embeddings
    if bench.trial.kind != "retrieve" or counts is None or embeddings is None:
        return
    swapped = replace(bench.test, counts=replace(counts, values=counts.values[::-1].copy()))
    image = bench.predict(method, swapped)[0]
    expression = bench.predict(method, replace(bench.test, embeddings=embeddings[::-1].copy()))[1]
    same = _same(prediction, [image, expression])
    expect(same, f"{bench.it}: the vector of a spot's image depends on its expression, or the reverse.")


def _check_seed(bench: _Bench, prediction: list[Float]) -> None:
    again = bench.predict(bench.fit(bench.val, seed=1), bench.test)
    expect(_same(prediction, again), f"{bench.it}: the same seed gives another prediction.")
    bench.predict(bench.fit(bench.val, seed=2), bench.test)


def _check_saved(bench: _Bench, method: Method, prediction: list[Float]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "method"
        folder.mkdir()
        with untouched(f"{bench.it}: save"):
            method.save(folder)
        pickles = [path.name for path in folder.rglob("*") if path.suffix in _PICKLES]
        expect(not pickles, f"{bench.it}: it saves {pickles[:1]}; a pickle can run code when it is loaded.")
        loaded = bench.new()
        with untouched(f"{bench.it}: load"):
            loaded.load(folder, bench.context(seed=3))
        again = bench.predict(loaded, bench.test)
    expect(_same(prediction, again), f"{bench.it}: loaded from its folder, it predicts other values.")


def _same(one: list[Float], other: list[Float]) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
