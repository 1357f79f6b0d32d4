"""Help, lists and plans are quick and load nothing heavy; without plugins core still answers."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import histobench
import histobench.data
import histobench.training
import histobench.weights

HEAVY = (
    "torch", "lightning_fabric", "mlflow", "anndata", "scanpy", "timm", "sklearn", "skimage", "pandas", "scipy.stats",
)  # fmt: skip

COMMAND_LINE = """
import sys
from histobench.cli import main
try:
    main({arguments!r})
except SystemExit as end:
    assert not end.code, end.code
print("loaded:", *[name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""

MOST = 2.5
"""CPU seconds of a command over those of ``import click, pydantic``."""


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


def command_line(arguments: list[str], heavy: tuple[str, ...], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a fresh interpreter; the last line of its stderr names the heavy modules that it loaded."""
    return python(COMMAND_LINE.format(arguments=arguments, heavy=heavy), **environment)


def cpu_seconds(code: str, compiled: Path) -> float:
    """Measure the CPU time of code in a fresh interpreter, as installed: with its modules compiled."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    finished = python(code, PYTHONDONTWRITEBYTECODE="", PYTHONPYCACHEPREFIX=str(compiled))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert finished.returncode == 0, finished.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list", "methods"],
        ["list", "encoders"],
        ["list", "datasets"],
        ["list", "metrics"],
        ["list", "plugins"],
    ],
    ids=" ".join,
)
def test_listing_loads_nothing_heavy(arguments: list[str]) -> None:
    finished = command_line(arguments, (*HEAVY, *(() if arguments[-1] in ("metrics", "plugins") else ("numpy",))))
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.strip().splitlines()[-1] == "loaded:"


def test_planning_loads_nothing_heavy(tmp_path: Path) -> None:
    study = ["--methods", "mean,ridge", "--datasets", "synthetic", "--out", str(tmp_path)]
    code = f"""
import sys
from histobench.cli import main
try:
    main(["plan", "--no-probe", *{study!r}])
except SystemExit as end:
    assert not end.code, end.code
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    finished = python(code)
    assert finished.stdout.splitlines()[-1] == "[]", finished.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["list", "methods"]], ids=" ".join)
def test_start_up_costs_little_more_than_its_libraries(arguments: list[str], tmp_path: Path) -> None:
    command = COMMAND_LINE.format(arguments=arguments, heavy=())
    pairs = [(cpu_seconds("import click, pydantic", tmp_path), cpu_seconds(command, tmp_path)) for _ in range(6)]
    # a busy machine only ever adds to the CPU time: the least of several runs counts, on both sides
    libraries, ours = (min(times) for times in zip(*pairs, strict=True))
    assert ours <= MOST * libraries


@pytest.mark.parametrize("package", ["contracts", "data", "reports", "results", "study", "training", "weights"])
def test_importing_a_package_loads_nothing_heavy(package: str) -> None:
    finished = python(f"import sys, histobench.{package}; print([name for name in {HEAVY!r} if name in sys.modules])")
    assert finished.stdout == "[]\n", finished.stderr


@pytest.mark.parametrize(
    "package", [histobench, histobench.data, histobench.training, histobench.weights], ids=lambda p: p.__name__
)
def test_every_name_of_a_package_can_be_imported(package: object) -> None:
    missing = [name for name in package.__all__ if not hasattr(package, name)]  # type: ignore[attr-defined]
    assert missing == []


def test_unknown_name_of_a_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'histobench' has no attribute 'Metod'"):
        _ = histobench.Metod


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("adapters", "training.adapters"),
        ("graphs", "data.graphs"),
        ("pretrained", "weights"),
        ("published", "weights"),
        ("spatial", "data.spatial"),
    ],
)
def test_old_module_warns_once_and_has_the_names_of_the_new_one(old: str, new: str) -> None:
    code = f"""
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import histobench.{old}
    import histobench.{old} as old
import importlib
new = importlib.import_module("histobench.{new}")
ours = [str(w.message) for w in caught if w.category is DeprecationWarning and "histobench" in str(w.message)]
print(ours, all(getattr(old, name) is getattr(new, name) for name in old.__all__))
"""
    finished = python(code)
    assert finished.stdout == f"['histobench.{old} has moved: use histobench.{new}.'] True\n", finished.stderr


def test_core_imports_without_any_plugin() -> None:
    finished = python(
        "from histobench.contracts.registry import Registry; print(Registry.load().plugins)", HISTOBENCH_PLUGINS="none"
    )
    assert (finished.stdout, finished.stderr) == ("[]\n", "")


def test_listing_without_any_plugin_reports_it() -> None:
    finished = command_line(["list", "plugins"], (), HISTOBENCH_PLUGINS="none")
    assert finished.returncode == 0, finished.stderr
    assert "no plugins installed" in finished.stdout + finished.stderr
