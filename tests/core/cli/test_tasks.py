"""Enhancing, retrieving and generating: killed in every stage, resumed, ranked each on its own board."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

Spawn = Callable[..., "subprocess.Popen[str]"]
Say = Callable[..., Any]  # Any: what was said, from tests/core/conftest.py

# The command of the issue, made small: one fold, few genes, narrow networks, few steps.
SMALL = (
    *("run", "--methods", "gist,clip-gan", "--datasets", "field", "--preset", "quick", "--folds", "toy:1"),
    *(
        "--targets",
        "enhance,retrieve,generate",
        "--metrics",
        "heldout-pearson,pearson,retrieval,fid",
        "--no-tracking",
        "--threads",
        "1",
    ),
    *("--set", "gist.epochs=3", "--set", "gist.n_genes=60", "--set", "gist.hidden=16", "--set", "gist.latent=6"),
    *("--set", "clip-gan.clip_epochs=2", "--set", "clip-gan.n_genes=60", "--set", "clip-gan.hidden_dim=16"),
    *("--set", "clip-gan.patch_px=16", "--set", "clip-gan.feature_px=32", "--set", "clip-gan.kimg=0.064"),
    *("--set", "clip-gan.tick_kimg=0.032", "--set", "clip-gan.batch=16", "--encoders", "resnet18.random"),
)
MINUTES = 60

# In the middle of each: of GIST on the test section itself, of the contrastive model, and of the generator after it.
STAGES = (("gist", "enhance", 1), ("clip-gan", "generate", 0), ("clip-gan", "generate", 2))


pytestmark = pytest.mark.usefixtures("published")


def has_reached(out: Path, method: str, target: str, epoch: int) -> bool:
    for path in out.glob("jobs/*/job.json"):
        job = json.loads(path.read_text())
        if (job["method"], job["target"]) == (method, target):
            return f" epoch {epoch} " in (path.parent / "log.txt").read_text()
    return False


def predictions(out: Path) -> dict[str, bytes]:
    """Give every table and image that was stored, by job, slide and name."""
    found: dict[str, bytes] = {}
    for path in sorted(out.glob("jobs/*/predictions.h5")):

        def keep(name: str, item: object, job: str = path.parent.name) -> None:
            if isinstance(item, h5py.Dataset):
                values = item[()]
                text = np.asarray(values).dtype.kind == "O"
                found[f"{job}/{name}"] = repr(values.tolist()).encode() if text else np.asarray(values).tobytes()

        with h5py.File(path) as file:
            file.visititems(keep)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tasks")


@pytest.fixture
def whole(folder: Path, say: Say) -> Path:
    """The study, uninterrupted, run once for this file."""
    if not (folder / "jobs").exists():
        said = say(*SMALL, "--out", folder)
        assert said.code == 0, said.err
    return folder


@pytest.mark.slow
@pytest.mark.timeout(10 * MINUTES)
def test_study_killed_in_every_stage_ends_with_the_same_predictions(
    whole: Path, say: Say, spawn: Spawn, tmp_path: Path
) -> None:
    for stage in STAGES:
        runner = spawn(*SMALL, "--out", tmp_path)
        while not has_reached(tmp_path, *stage):
            assert runner.poll() is None, runner.communicate()
            time.sleep(0.02)
        runner.send_signal(signal.SIGKILL)
        runner.communicate()
    said = say(*SMALL, "--out", tmp_path)
    assert said.code == 0, said.err
    assert predictions(tmp_path) == predictions(whole)


def test_every_task_has_its_board_and_its_controls(whole: Path, say: Say) -> None:
    said = say("results", "--out", whole, "--json")
    rows = json.loads(said.out)
    methods = {(row["target"], row["method"]) for row in rows}
    assert {("enhance", "gist"), ("retrieve", "clip-gan"), ("generate", "clip-gan")} <= methods
    assert {("enhance", "raw-counts"), ("enhance", "neighbour-mean"), ("enhance", "pca-reconstruction")} <= methods
    assert {("retrieve", "colour-cca"), ("generate", "random-patch"), ("generate", "nearest-prompt")} <= methods
    ranked = {row["target"]: row["metric"] for row in rows}
    assert ranked == {"enhance": "heldout-pearson", "retrieve": "retrieval", "generate": "pearson"}


def test_leaderboard_shows_every_task(whole: Path, say: Say) -> None:
    said = say("leaderboard", "build", "--out", whole)
    assert said.code == 0
    page = (whole / "site" / "index.html").read_text()
    assert all(f"{task}" in page for task in ("enhance", "retrieve", "generate"))
