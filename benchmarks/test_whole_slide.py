"""The cost of a training step on a whole slide: ours compared with dense n × n tables and without recomputation.

A step is one slide, so the seconds of a step are those of an epoch over one section. Memory kept for the backward pass
is counted at the size of the preset ``quick``. Peak memory is measured in separate processes at the published size on
2,000 spots, because on a section of her2st weights, gradients and Adam take more memory than attention.
`whole_slide_memory.py` measures any number of spots.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

SCRIPT = Path(__file__).with_name("whole_slide_memory.py")
METHODS = ("histogene", "hist2st", "thitogene")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("whole_slide_memory", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _measure(method: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, str(SCRIPT), method, *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    measured: dict[str, Any] = json.loads(finished.stdout)
    return measured


def _compare(script: ModuleType, method: str, n: int) -> dict[str, tuple[float, float]]:
    """Return GiB kept for the backward pass and seconds of a step, ours and dense, on ``n`` spots with preset quick."""
    kept, seconds = [], []
    for dense in (False, True):
        made = script.make_method(method, kind="cell_abundance", preset="quick", dense=dense)
        module, slide = script.make_module(made, kind="cell_abundance", dense=dense), script.make_slide(made, n)
        kept.append(script.kept_gib(made, module, slide))
        seconds.append(script.train_step(made, module, slide))
    return {"kept_gib": (kept[0], kept[1]), "seconds": (seconds[0], seconds[1])}


@pytest.mark.parametrize("method", METHODS)
def test_a_step_keeps_less_than_the_dense_formulation(
    benchmark: BenchmarkFixture, script: ModuleType, method: str
) -> None:
    found = benchmark.pedantic(lambda: _compare(script, method, 1100), rounds=1)
    (ours, dense), seconds = found["kept_gib"], found["seconds"]
    benchmark.extra_info.update(
        kept_gib={"ours": round(ours, 3), "dense": round(dense, 3)},
        times_less=round(dense / ours, 1),
        times_faster=round(seconds[1] / seconds[0], 2),
    )
    assert ours * 3 < dense


@pytest.mark.timeout(1800)
def test_peak_memory_at_the_published_size_against_the_dense_formulation(benchmark: BenchmarkFixture) -> None:
    measured = benchmark.enabled  # otherwise one small run of ours, to check the script
    methods, size = (
        (METHODS, ["--spots", "2000"]) if measured else (METHODS[-1:], ["--spots", "50", "--preset", "quick"])
    )
    ways = {"ours": [], "dense": ["--dense"]} if measured else {"ours": []}
    found = benchmark.pedantic(
        lambda: {m: {way: _measure(m, *size, *flags) for way, flags in ways.items()} for m in methods}, rounds=1
    )
    for method, by_way in found.items():
        assert all(got["peak_gib"] > got["before_gib"] for got in by_way.values())
        benchmark.extra_info[method] = {
            way: f"{got['peak_gib']} GiB, {got['seconds']} s an epoch" for way, got in by_way.items()
        }
        if measured:
            ours, dense = by_way["ours"], by_way["dense"]
            benchmark.extra_info[f"{method}, dense to ours"] = {
                "peak": round(dense["peak_gib"] / ours["peak_gib"], 2),
                "cpu_seconds": round(dense["cpu_seconds"] / ours["cpu_seconds"], 2),
            }
            assert ours["peak_gib"] < dense["peak_gib"]


@torch.no_grad()
@pytest.mark.parametrize("method", METHODS)
def test_the_dense_formulation_predicts_the_same(script: ModuleType, method: str) -> None:
    values = []
    for dense in (False, True):
        made = script.make_method(method, kind="cell_abundance", preset="quick", dense=dense)
        module = script.make_module(made, kind="cell_abundance", dense=dense).eval()
        values.append(made.run(module, script.make_slide(made, 40)))
    torch.testing.assert_close(values[0], values[1], rtol=1e-4, atol=1e-5)
