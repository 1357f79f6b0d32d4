"""The cost of a training step of GIST at 5,000 and 50,000 cells, and compared with plain indexing along edges.

An epoch over one section is one step. Networks are narrow (200 genes, embeddings 64 wide, 64 hidden); peak memory is
measured in separate processes. `gist_memory.py` measures any size.
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

from histobench_heads.gist.options import GistOptions

SCRIPT = Path(__file__).with_name("gist_memory.py")
NARROW = {"genes": 200, "dim": 64, "hidden": 64}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gist_memory", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _measure(spots: int, *flags: str) -> dict[str, Any]:
    sizes = [part for name, value in NARROW.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, str(SCRIPT), "--spots", str(spots), *sizes, *flags]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    measured: dict[str, Any] = json.loads(finished.stdout)
    return measured


@pytest.mark.timeout(1800)
def test_seconds_and_peak_memory_grow_linearly_with_cells(benchmark: BenchmarkFixture) -> None:
    measured = benchmark.enabled  # otherwise one small run, to check the script
    sizes = (5000, 50_000) if measured else (100,)
    few, *more = benchmark.pedantic(lambda: [_measure(n) for n in sizes], rounds=1)
    assert few["peak_gib"] > few["step_gib"] >= 0
    for many in more:
        benchmark.extra_info.update(
            cpu_seconds_per_1000_spots={n["spots"]: n["cpu_seconds_per_1000_spots"] for n in (few, many)},
            step_gib={n["spots"]: n["step_gib"] for n in (few, many)},
            times_the_memory_for_ten_times_the_cells=round(many["step_gib"] / few["step_gib"], 2),
        )
        assert many["step_gib"] < 12 * few["step_gib"]


def test_less_is_kept_for_the_backward_pass_than_by_plain_indexing(
    benchmark: BenchmarkFixture, script: ModuleType
) -> None:
    section = script.make_section(500, genes=NARROW["genes"], dim=NARROW["dim"])
    tenfold = script.make_section(5000, genes=NARROW["genes"], dim=NARROW["dim"])
    options = GistOptions()

    def keep(of: Any, *, plain: bool) -> int:
        kept: int = script.kept_bytes(script.make_network(of, hidden=NARROW["hidden"], plain=plain), of, options)
        return kept

    ours = benchmark.pedantic(lambda: keep(section, plain=False), rounds=1)
    growth, saved = keep(tenfold, plain=False) / ours, keep(section, plain=True) / ours
    benchmark.extra_info.update(times_for_ten_times_the_cells=round(growth, 2), times_less_than_plain=round(saved, 2))
    assert growth < 10.5
    assert saved > 3


def test_plain_indexing_computes_the_same(script: ModuleType) -> None:
    section = script.make_section(60, genes=40, dim=16)
    ours, plain = (script.make_network(section, hidden=24, plain=plain)(*section) for plain in (False, True))
    torch.testing.assert_close(tuple(ours), tuple(plain), rtol=1e-4, atol=1e-5)
