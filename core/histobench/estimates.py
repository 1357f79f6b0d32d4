"""How long a job may take: a probe before it is begun."""

import time

import numpy as np

from histobench.assembly import fit_context, open_assembler, registry
from histobench.checkpoints.evaluation import load_checkpoint
from histobench.config import options_from_json
from histobench.contracts import Method
from histobench.provenance import limit_threads
from histobench.records import JobSpec
from histobench.runner import Workspace

__all__ = ["estimate_seconds"]


def estimate_seconds(spec: JobSpec, workspace: Workspace, *, n_probe: int = 32) -> float:
    """Estimate a job's seconds from a probe: one epoch on a few spots of one training slide, scaled up.

    Frozen embeddings of that slide are computed, and stay in the cache. The first of two fits warms up and is not
    counted. Where published weights are evaluated, the probe predicts one test slide.
    """
    card = registry().methods.get(spec.method)
    epochs = int(spec.options.get("epochs", 1))
    options = options_from_json(card, {**spec.options, **({"epochs": 1} if "epochs" in spec.options else {})})
    method: Method = card.build(options)
    with limit_threads(spec.threads):
        begun = time.perf_counter()
        assembler = open_assembler(spec, workspace.data_root)
        context = fit_context(spec, assembler)
        slides = assembler.slides()
        if spec.checkpoint:
            load_checkpoint(method, spec, context)
            method.predict(assembler.unlabelled(slides[spec.test[0]])[0])
            return (time.perf_counter() - begun) * len(spec.test)
        one = assembler.labelled([slides[spec.train[0]]])
        reading = (time.perf_counter() - begun) * (len(spec.train) + len(spec.test))
        few = one.take(np.arange(min(n_probe, len(one))))
        for _ in range(2):
            method = card.build(options)
            begun = time.perf_counter()
            method.fit(few, None, context)
        fitting = (time.perf_counter() - begun) * epochs * len(one) * len(spec.train) / len(few)
    return reading + fitting
