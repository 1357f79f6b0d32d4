"""The walls: layers, plugins apart, what a plugin may import, and where an import may stand."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import histobench

DOCUMENTED = {
    "histobench",
    "histobench.data.graphs",
    "histobench.data.spatial",
    "histobench.files",
    "histobench.images",
    "histobench.testing",
    "histobench.training",
    "histobench.training.adapters",
    "histobench.weights",
}
"""What plugins may import of the platform: the public API for plugin authors."""

ALSO_FOR_THE_LEADERBOARD = {
    "histobench.errors",
    "histobench.reports.maps",
    "histobench.results.evaluation",
    "histobench.results.records",
    "histobench.results.statistics",
    "histobench.results.store",
}
"""The leaderboard is a view of the records, so it reads what a head never sees."""

PUBLIC_NAMES = [
    "ConfigError", "Counts", "DataError", "Dataset", "DatasetCard", "Encoder", "EncoderCard", "EncoderSlot",
    "FitContext", "Float", "HistobenchError", "Int", "Kind", "LabelledSamples", "Lattice", "Method", "MethodCard",
    "Metric", "MetricCard", "Mode", "PatchGeometry", "Patches", "Prediction", "Probe", "PublishedFold", "Samples",
    "Scheme", "ShapeError", "Slide", "SlideImage", "Split", "SpotTable", "TargetFact", "Targets", "TrainableEncoder",
    "UInt8",
    "Weights", "WeightsError", "hookimpl", "leave_one_patient_out", "leave_one_slide_out",
    "ContextMetric", "ScoreContext", "TrainingFacts", "Transform", "Generated", "Hidden", "ImageFeatures", "Pairing",
    "Drawer", "Drawing", "Viewer", "lazy", "lazy_value",
]  # fmt: skip
"""A name that is added or removed here is a change that plugin authors must be told of, in CHANGELOG.md."""


def imported(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def inner_imports(path: Path) -> Iterator[int]:
    """Yield the line of every import that stands inside a function."""
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (node.lineno for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom))


def test_import_contracts_are_kept(repository: Path) -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"]
    finished = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "0 broken" in finished.stdout


def test_plugins_import_the_documented_api_only(repository: Path, sources: list[Path]) -> None:
    strays = {}
    for path in sources:
        if path.parts[0] in ("core", "benchmarks"):
            continue
        allowed = DOCUMENTED | (ALSO_FOR_THE_LEADERBOARD if path.parts[0] == "leaderboard" else set())
        ours = {name for name in imported(repository / path) if name.partition(".")[0] == "histobench"}
        if ours - allowed:
            strays[str(path)] = sorted(ours - allowed)
    assert strays == {}


def test_public_names_are_the_documented_ones() -> None:
    assert sorted(histobench.__all__) == sorted(PUBLIC_NAMES)


def test_imports_stand_at_the_top(repository: Path, sources: list[Path]) -> None:
    lazy = [path for path in sources if path.name in ("catalogue.py", "cli.py") or "cli" in path.parts]
    inside = {str(path): list(inner_imports(repository / path)) for path in sources if path not in lazy}
    assert {path: lines for path, lines in inside.items() if lines} == {}


@pytest.mark.parametrize("name", ["utils.py", "util.py", "helpers.py", "common.py", "misc.py"])
def test_there_is_no_drawer_for_odds_and_ends(sources: list[Path], name: str) -> None:
    assert [path for path in sources if path.name == name] == []
