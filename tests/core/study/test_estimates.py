"""What a job's time is estimated from: pieces of a method's work, each timed apart."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from histobench import FitContext, LabelledSamples, Method, MethodCard, Prediction, Probe, Samples
from histobench.contracts.registry import Registry
from histobench.study.estimates import Timer, probes_of
from histobench.testing import toy_fold

_clock = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Epochs of 2 seconds in training, after 5 of preparing, and rounds of 3 in predicting."""

    epochs: int = 1000
    rounds: int = 50


class Slow(Method):
    """Takes its time by the clock of this file."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        global _clock
        self._names = train.targets.names
        _clock += 5.0 + 2.0 * self.options.epochs

    def predict(self, samples: Samples) -> Prediction:
        global _clock
        _clock += 3.0 * self.options.rounds
        return Prediction(names=self._names, values=np.zeros((len(samples), len(self._names)), dtype=np.float32))

    def save(self, folder: Path) -> None:
        """Keep nothing."""

    def load(self, folder: Path, context: FitContext) -> None:
        """Read nothing."""


CARD = MethodCard(name="slow", title="slow", build=Slow, options=Options, targets=("enhance",))


def test_a_piece_costs_its_own_time_wherever_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("histobench.study.estimates.time.perf_counter", lambda: _clock)
    timer = Timer(CARD, toy_fold("enhance").train.take(np.arange(8)), FitContext(seed=0))
    one = Options(epochs=1, rounds=1)
    assert timer.seconds(Probe(options=one, times=1000)) == 7.0
    assert timer.seconds(Probe(options=replace(one, epochs=2), less=one, times=1000)) == 2.0
    assert timer.seconds(Probe(options=one, times=50, phase="predict")) == 3.0


def test_a_method_that_declares_nothing_is_its_epochs() -> None:
    (probe,) = probes_of(CARD, Options(epochs=30))
    assert (probe.options.epochs, probe.times, probe.phase) == (1, 30, "fit")


def test_pieces_of_the_methods_with_several_stages_are_short_and_make_up_the_whole() -> None:
    methods = Registry.load().methods
    gan = methods.get("clip-gan")
    clip, generator = probes_of(gan, gan.options(clip_epochs=40, kimg=25.0, batch=128, micro_batch=8))
    assert (clip.times, clip.grows, clip.options.kimg, clip.options.clip_epochs) == (40, True, 0.0, 2)
    assert (generator.times, generator.grows, generator.options.batch) == (3136, False, 8)  # 196 batches of 16 passes
    diffusion = methods.get("clip-diffusion")
    stages = probes_of(diffusion, diffusion.options(clip_epochs=40, epochs=15))
    assert [(stage.times, stage.phase) for stage in stages] == [(40, "fit"), (15, "fit"), (1, "predict")]
    gist = methods.get("gist")
    assert [stage.phase for stage in probes_of(gist, gist.options(epochs=10))] == ["predict"]
    assert [stage.phase for stage in probes_of(gist, gist.options(epochs=10, fit_on="training"))] == ["fit"]
