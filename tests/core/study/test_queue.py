"""Many jobs on one folder: killed, resumed, shared, repeated; on real sections."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

Spawn = Callable[..., "subprocess.Popen[str]"]

# The study of the issue, made small: fewer epochs, smaller patches, the same sections, methods and folds.
SMALL = (
    "run",
    *("--methods", "ridge,cuca,hist2cell", "--datasets", "her2st", "--preset", "quick", "--epochs", "2"),
    *("--set", "cuca.patch_px=32", "--set", "hist2cell.patch_px=32", "--encoders", "resnet18.random"),
)
MINUTES = 60


def study(root: Path, out: Path) -> tuple[object, ...]:
    return (*SMALL, "--data-root", root, "--out", out, "--no-tracking", "--threads", 1)


def scores(out: Path) -> dict[str, object]:
    records = {path.parent.name: json.loads(path.read_text()) for path in out.glob("jobs/*/record.json")}
    return {name: (record["status"], record["scores"]) for name, record in records.items()}


def predictions(out: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(out.glob("jobs/*/predictions.h5")):
        with h5py.File(path) as file:
            found |= {
                f"{path.parent.name}/{slide}": np.asarray(group["predicted"]).tobytes()
                for slide, group in file.items()
                if "predicted" in group
            }
    return found


def of_method(out: Path, method: str, fold: str) -> list[dict[str, bytes]]:
    """Predictions of each job of one method and fold: slide → bytes."""
    jobs = {path.parent.name: json.loads(path.read_text()) for path in out.glob("jobs/*/job.json")}
    wanted = [name for name, job in jobs.items() if (job["method"], job["fold"]) == (method, fold)]
    stored = predictions(out)
    return [{k.partition("/")[2]: v for k, v in stored.items() if k.startswith(f"{name}/")} for name in wanted]


def times_done(out: Path) -> dict[str, int]:
    logs = {path.parent.name: path.read_text().splitlines() for path in out.glob("jobs/*/log.txt")}
    return {name: sum(line.endswith(" done") for line in lines) for name, lines in logs.items()}


@pytest.fixture(scope="module")
def whole(her2st_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study, uninterrupted."""
    out = tmp_path_factory.mktemp("whole")
    command = [sys.executable, "-m", "histobench.cli", *map(str, study(her2st_root, out))]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return out


@pytest.mark.slow
@pytest.mark.timeout(15 * MINUTES)
def test_study_killed_ten_times_ends_with_the_same_scores(
    whole: Path, her2st_root: Path, spawn: Spawn, tmp_path: Path
) -> None:
    chance = np.random.default_rng(0)
    for _ in range(10):
        runner = spawn(*study(her2st_root, tmp_path))
        time.sleep(chance.uniform(2, 8))
        runner.send_signal(signal.SIGKILL)
        runner.communicate()
    last = spawn(*study(her2st_root, tmp_path))
    _, said = last.communicate()
    assert last.returncode == 0, said
    assert scores(tmp_path) == scores(whole)
    assert predictions(tmp_path) == predictions(whole)
    assert set(times_done(tmp_path).values()) == {1}


@pytest.mark.slow
@pytest.mark.timeout(10 * MINUTES)
def test_two_runners_share_the_jobs(whole: Path, her2st_root: Path, spawn: Spawn, tmp_path: Path) -> None:
    runners = [spawn(*study(her2st_root, tmp_path)) for _ in range(2)]
    said = [runner.communicate() for runner in runners]
    assert [runner.returncode for runner in runners] == [0, 0], said
    assert scores(tmp_path) == scores(whole)
    assert set(times_done(tmp_path).values()) == {1}
    assert all("done: " in err for _, err in said)


@pytest.mark.slow
@pytest.mark.timeout(10 * MINUTES)
def test_ctrl_c_stops_cleanly_and_the_next_run_goes_on(
    whole: Path, her2st_root: Path, spawn: Spawn, tmp_path: Path
) -> None:
    first = spawn(*study(her2st_root, tmp_path))
    while not list(tmp_path.glob("jobs/*/record.json")):
        time.sleep(0.1)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate()
    assert first.returncode == 130
    assert "Traceback" not in said
    assert (
        said.strip().splitlines()[-1] == "histobench: stopped; nothing is lost. Run the same command again to resume."
    )
    second = spawn(*study(her2st_root, tmp_path))
    _, said = second.communicate()
    assert second.returncode == 0, said
    assert scores(tmp_path) == scores(whole)
    assert set(times_done(tmp_path).values()) == {1}


@pytest.mark.slow
@pytest.mark.timeout(5 * MINUTES)
def test_another_seed_predicts_otherwise(whole: Path, her2st_root: Path, spawn: Spawn, tmp_path: Path) -> None:
    other = spawn(*study(her2st_root, tmp_path), "--seeds", 1, "--folds", "her2st:C")
    _, said = other.communicate()
    assert other.returncode == 0, said
    (mine,) = of_method(tmp_path, "cuca", "her2st:C")
    (theirs,) = of_method(whole, "cuca", "her2st:C")
    assert mine.keys() == theirs.keys()
    assert all(mine[slide] != theirs[slide] for slide in mine)
