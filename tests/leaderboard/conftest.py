"""A small study on disk: two patients with two slides each, controls, a ceiling, a stand-in, a failure."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histobench.data import Prediction, SlideResult, Targets
from histobench.results.evaluation import score
from histobench.results.records import RunRecord
from histobench.results.store import write_predictions
from histobench_leaderboard.site import build_site
from histobench_metrics.catalogue import CARDS

NAMES = ("epithelium", "fibroblast", "T cell", "plasma cell")
HOSTILE = "<script>window.hacked=1</script>&\"'"

# method, signal in its predictions, how its job differs
METHODS: list[tuple[str, float, dict[str, Any]]] = [
    ("mean", 0.0, {"control": True}),
    ("position", 0.25, {"control": True}),
    ("oracle", 4.0, {"control": True, "oracle": True}),
    ("ridge", 0.8, {"encoder": "resnet18.random", "mode": "frozen"}),
    ("cuca", 1.2, {"encoder": "vit-small", "mode": "full", "stands_in_for": "virchow2", "options": {"epochs": 2}}),
    ("hist2cell", 0.02, {"encoder": "resnet18.random", "mode": "full", "options": {"epochs": 4}}),
]


@pytest.fixture(scope="session")
def write_study(make_record: Callable[..., RunRecord]) -> Callable[..., Path]:
    """A function that writes a study of six methods over two folds into a folder.

    Predictions, from which maps are drawn, are stored for the methods in ``mapped``: drawing takes its time.
    """

    def write(out: Path, *, mapped: tuple[str, ...] = (), **job: Any) -> Path:
        for method, signal, own in METHODS:
            for fold in ("A", "B"):
                results = list(_predict(fold, signal))
                record = _finished(make_record, results, {"method": method, "fold": fold, **own, **job})
                _store(out, record, results if method in mapped else [])
        _store(out, _failed(make_record, {**job}), [])
        return out

    return write


@pytest.fixture(scope="session")
def study(write_study: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study's output folder; tests must not change it."""
    return write_study(tmp_path_factory.mktemp("study"), mapped=("cuca",))


@pytest.fixture(scope="session")
def site(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study's site; tests must not change it."""
    return build_site(study, tmp_path_factory.mktemp("web") / "site").index.parent


def _finished(make_record: Callable[..., RunRecord], results: list[SlideResult], job: dict[str, Any]) -> RunRecord:
    record = make_record({r.slide_id: [0.0] * len(NAMES) for r in results}, **job)
    epochs = [{"loss": 1 / (e + 1), "loss_rec": 0.5 / (e + 1), "lr": 1e-3, "val_score": 0.1 * e} for e in range(5)]
    learned = {"epochs": tuple(epochs), "best_epoch": 4} if record.job.mode == "full" else {}
    evaluation = score(results, CARDS)
    return record.model_copy(update={"scores": evaluation.scores, "targets": NAMES, **learned})


def _failed(make_record: Callable[..., RunRecord], job: dict[str, Any]) -> RunRecord:
    (own,) = (own for method, _, own in METHODS if method == "cuca")
    record = make_record({}, method="cuca", fold="B", seed=1, **{**own, **job})
    return record.model_copy(update={"status": "failed", "error": f"the loss is NaN {HOSTILE}", "panel": None})


def _predict(fold: str, signal: float) -> Iterator[SlideResult]:
    for number in (1, 2):
        rng = np.random.default_rng((ord(fold), number))
        grid = np.stack(np.meshgrid(np.arange(8), np.arange(8)), axis=-1).reshape(-1, 2).astype(np.float32) * 200
        truth = rng.gamma(2.0, 1.0, (64, len(NAMES))).astype(np.float32)
        noise = rng.normal(size=truth.shape).astype(np.float32)
        guess = signal * truth + noise if signal else np.full_like(truth, 2.0)
        yield SlideResult(
            slide_id=f"{fold}{number}",
            spot_ids=np.array([f"{x}x{y}" for x, y in grid.astype(int)]),
            xy_um=grid,
            predicted=Prediction(names=NAMES, values=guess),
            observed=Targets(kind="cell_abundance", names=NAMES, values=truth),
        )


def _store(out: Path, record: RunRecord, results: list[SlideResult]) -> None:
    folder = out / "jobs" / record.job_id
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(record.model_dump_json(indent=1))
    if results:
        write_predictions(folder / "predictions.h5", results)
