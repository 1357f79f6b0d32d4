"""What tests of several packages share."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from histobench.results.records import JobSpec, MetricScores, PanelRecord, RunRecord
from histobench.testing import ToyDataset

REPOSITORY = Path(__file__).resolve().parent.parent
DATA_VARIABLE = "HISTOBENCH_TEST_DATA"

# A machine shared by several test processes is slow at times; how long an example takes is no fact about the code.
settings.register_profile("histobench", deadline=None, max_examples=50)
settings.load_profile("histobench")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with one folder of real data per dataset; it may not be there."""
    given = os.environ.get(DATA_VARIABLE)
    return Path(given) if given else REPOSITORY.parent / "shared" / "data"


@pytest.fixture(scope="session")
def her2st_root(data_folder: Path) -> Path:
    """The folder of the real her2st release, or a skip."""
    root = data_folder / "her2st"
    if not root.is_dir():
        pytest.skip(f"no real data: {root} is not there; set {DATA_VARIABLE} to the folder that holds 'her2st'")
    return root


@pytest.fixture(scope="session")
def toy() -> ToyDataset:
    """Four patients, sixty spots each, with a signal worth finding."""
    return ToyDataset()


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep a developer's settings, their caches and the network out of the tests."""
    for variable in ("HISTOBENCH_PLUGINS", "HISTOBENCH_DATA", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)
    own = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("HISTOBENCH_CACHE", str(own / "cache"))
    monkeypatch.setenv("HISTOBENCH_WEIGHTS", os.environ.get("HISTOBENCH_TEST_WEIGHTS", str(own / "weights")))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


MakeRecord = Callable[..., RunRecord]

_FIXED_PANEL = PanelRecord(hash="p0", unit="cells per spot")


@pytest.fixture(scope="session")
def make_record() -> MakeRecord:
    """A function that makes the record of a finished job from its scores per slide."""
    return _make_record


def _make_record(
    scores: Mapping[str, Sequence[float]] | Mapping[str, Mapping[str, Sequence[float]]],
    *,
    higher_is_better: bool = True,
    panel: PanelRecord | None = _FIXED_PANEL,
    record: Mapping[str, Any] | None = None,
    **job: Any,
) -> RunRecord:
    """Make a record; ``scores`` is slide -> scores per target, for one metric named pearson, or that by metric.

    A slide belongs to the patient of its first letter. Whatever a job's specification holds can be given by name, and
    whatever the record itself holds through ``record``.
    """
    by_metric = scores if scores and isinstance(next(iter(scores.values())), Mapping) else {"pearson": scores}
    slides = tuple(next(iter(by_metric.values())))
    spec = JobSpec(**{**_JOB, "test": slides, "patients": {slide: slide[0] for slide in (*slides, "Z1")}, **job})
    tables = {
        metric: MetricScores(
            per_slide={slide: tuple(map(float, table[slide])) for slide in table},
            pooled=tuple(float(column[0]) for column in zip(*table.values(), strict=True)),
            higher_is_better=higher_is_better,
            revision="1",
        )
        for metric, table in by_metric.items()
        if table
    }
    n_targets = max((len(table.pooled) for table in tables.values()), default=0)
    identity = hashlib.sha256(f"{spec.model_dump_json()}{panel}".encode()).hexdigest()[:16]
    facts = {
        "job_id": identity,
        "status": "done",
        "targets": tuple(f"target-{place}" for place in range(n_targets)),
        "n_spots": dict.fromkeys(slides, 60),
        "scores": tables,
        "seconds": {"fit": 2.0, "predict": 1.0},
        "peak_memory_mb": {"ram": 512.0},
        "started": "2026-01-01T00:00:00.000+00:00",
        "finished": "2026-01-01T00:00:03.000+00:00",
    }
    return RunRecord(job=spec, panel=panel, **{**facts, **(record or {})})


_JOB: dict[str, Any] = {
    "method": "ridge",
    "encoder": None,
    "mode": None,
    "dataset": "toy",
    "target": "cell_abundance",
    "kind": "cell_abundance",
    "scheme": "leave-one-patient-out",
    "leaks": False,
    "fold": "A",
    "train": ("Z1",),
    "val": (),
    "seed": 0,
    "options": {},
    "precision": "32-true",
    "device": "cpu",
    "threads": 1,
    "edition": "e0",
    "versions": {"dataset": "histobench:toy 0.1.0 revision 1"},
}
