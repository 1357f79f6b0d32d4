"""The overhead of the platform: the runner per job, and embedding once compared with once per fold."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from histobench import FitContext
from histobench.cache import Cache
from histobench.contracts.registry import Registry
from histobench.images.embedding import slide_embeddings, slide_patches
from histobench.results.records import job_id
from histobench.study.config import RunConfig
from histobench.study.jobs import Machine
from histobench.study.planning import plan_study
from histobench.study.queue import run_study
from histobench.study.samples import open_assembler
from histobench.study.tasks import task_module, training_samples
from histobench.study.workspace import Workspace


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HISTOBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_overhead_of_the_runner_per_job(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Run the control `mean`, which does almost no work, and the same work without runner, store and record."""
    registry = Registry.load()
    config = RunConfig(methods=("mean",), seeds=tuple(range(5)), metrics=("pearson",))
    plan = plan_study(config, registry, Machine())
    specs = [spec for spec in plan.jobs if spec.method == "mean"]
    jobs = {job_id(spec): spec for spec in specs}
    card, metric = registry.methods.get("mean"), registry.metrics.get("pearson")

    def bare() -> None:
        for spec in specs:
            assembler = open_assembler(spec, registry, None)
            slides, task = assembler.slides(), task_module(spec.kind)
            method = card.build(card.options())
            method.fit(training_samples(assembler, spec.train), None, FitContext(seed=0))
            for name in spec.test:
                task.ask(method, task.make_samples(assembler, slides[name]).shown())

    def whole(out: Path) -> None:
        outcomes = run_study(jobs, Workspace(out=out, registry=registry, metrics=(metric.name,)), None)
        assert all(outcome.record is not None and outcome.record.status == "done" for outcome in outcomes)

    bare()  # reads and grows every slide once
    folders = iter(tmp_path / f"study {number}" for number in range(100))
    benchmark.pedantic(whole, setup=lambda: ((next(folders),), {}), rounds=3)
    seconds = {"whole": _seconds(lambda: whole(next(folders))), "bare": _seconds(bare)}
    benchmark.extra_info["ms of overhead per job"] = round(1000 * (seconds["whole"] - seconds["bare"]) / len(jobs), 1)
    benchmark.extra_info["ms per job of work"] = round(1000 * seconds["bare"] / len(jobs), 1)


def test_embedding_once_against_once_a_fold(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Embed the slides of a leave-one-patient-out study once with the cache, and again in every fold as scripts do."""
    registry = Registry.load()
    dataset = registry.datasets.get("synthetic").build(None)
    encoder = registry.encoders.get("vit-tiny").build(None)
    target = "cell_abundance"
    slides = dataset.slides(target)[:4]
    n_folds = len(slides)

    def embed(cache: Cache) -> list[np.ndarray]:
        return [
            slide_embeddings(cache, encoder, dataset.image(slide), dataset.table(slide, target), name="vit-tiny")
            for slide in slides
        ]

    def once(cache: Cache) -> None:
        for _ in range(n_folds):
            embed(cache)

    def every_fold(cache: Cache) -> None:
        for _ in range(n_folds):
            for slide in slides:
                patches = slide_patches(cache, dataset.image(slide), dataset.table(slide, target), encoder.geometry)
                encoder.embed(patches[:])

    encoder.embed(np.zeros((1, 224, 224, 3), np.uint8))  # imports and builds
    caches = iter(Cache(tmp_path / f"cache {number}") for number in range(10))
    benchmark.pedantic(once, setup=lambda: ((next(caches),), {}), rounds=1)
    seconds = {"once": _seconds(lambda: once(next(caches))), "every fold": _seconds(lambda: every_fold(next(caches)))}
    benchmark.extra_info["times faster than embedding per fold"] = round(seconds["every fold"] / seconds["once"], 2)
    benchmark.extra_info["folds"] = n_folds


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
