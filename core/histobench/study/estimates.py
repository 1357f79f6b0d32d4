"""Estimate how long a job takes from short probes of its work."""

import time
import warnings
from dataclasses import dataclass, field, replace

import numpy as np

from histobench.contracts.cards import MethodCard, Probe
from histobench.contracts.options import options_from_json
from histobench.contracts.protocols import FitContext, Method, Options
from histobench.data import LabelledSamples
from histobench.results.provenance import limit_threads
from histobench.results.records import JobSpec
from histobench.study.checkpoint_evaluation import load_checkpoint
from histobench.study.samples import fit_context, open_assembler
from histobench.study.tasks import task_module, training_samples
from histobench.study.workspace import Workspace

__all__ = ["Timer", "estimate_seconds", "probes_of"]


def estimate_seconds(spec: JobSpec, workspace: Workspace, *, n_probe: int = 32) -> float:
    """Estimate a job's seconds: time pieces of its work on a few spots of one training slide, and scale them up.

    Frozen embeddings of that slide are computed and stay in the cache. If the job evaluates published weights, one
    test slide is predicted instead.
    """
    card = workspace.registry.methods.get(spec.method)
    options = options_from_json(card, spec.options)
    with limit_threads(spec.threads):
        begun = time.perf_counter()
        assembler = open_assembler(spec, workspace.registry, workspace.data_root)
        context = fit_context(spec, assembler)
        if spec.checkpoint:
            method: Method = card.build(options)
            load_checkpoint(method, spec, context)
            method.predict(task_module(spec.kind).make_samples(assembler, assembler.slides()[spec.test[0]]).shown())
            return (time.perf_counter() - begun) * len(spec.test)
        one = training_samples(assembler, spec.train[:1])
        reading = (time.perf_counter() - begun) * (len(spec.train) + len(spec.test))
        few = one.take(np.arange(min(n_probe, len(one))))
        per_slide = len(one) / len(few)
        timer = Timer(card, few, context)
        working = sum(
            timer.seconds(probe) * _scale(probe, per_slide * len(spec.train), per_slide * len(spec.test))
            for probe in probes_of(card, options)
        )
    return reading + working


def probes_of(card: MethodCard, options: Options) -> tuple[Probe, ...]:
    """Return the pieces of a method's work: those on its card, or one of its epochs, or all of it."""
    if card.probes is not None:
        return card.probes(options)
    epochs = getattr(options, "epochs", None)
    return (Probe(options=options if epochs is None else replace(options, epochs=1), times=epochs or 1),)


def _scale(probe: Probe, in_training: float, in_test: float) -> float:
    grown = in_training if probe.phase == "fit" else in_test
    return probe.times * (grown if probe.grows else 1.0)


@dataclass(slots=True)
class Timer:
    """Times pieces of a method's work on the same samples; the very first run only warms up."""

    card: MethodCard
    few: LabelledSamples
    context: FitContext
    _known: dict[tuple[str, str], float] = field(default_factory=dict)

    def seconds(self, probe: Probe) -> float:
        """Return the seconds of one piece."""
        if not self._known:
            self._work(probe.options)
        less = 0.0 if probe.less is None else self._seconds(probe.less, probe.phase)
        return max(0.0, self._seconds(probe.options, probe.phase) - less)

    def _seconds(self, options: Options, phase: str) -> float:
        if (repr(options), phase) not in self._known:
            for found, seconds in self._work(options).items():
                self._known[repr(options), found] = seconds
        return self._known[repr(options), phase]

    def _work(self, options: Options) -> dict[str, float]:
        method: Method = self.card.build(options)
        with warnings.catch_warnings(action="ignore"):  # about few spots, which the job itself does not have
            begun = time.perf_counter()
            method.fit(self.few, None, self.context)
            fitted = time.perf_counter()
            method.predict(self.few)
        return {"fit": fitted - begun, "predict": time.perf_counter() - fitted}
