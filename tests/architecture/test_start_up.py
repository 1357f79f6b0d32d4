"""Listing what is installed is quick and loads nothing heavy; without plugins core still answers."""

import os
import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "lightning_fabric",
    "mlflow",
    "anndata",
    "scanpy",
    "timm",
    "sklearn",
    "skimage",
    "pandas",
    "scipy.stats",
)

PROBE = """
import sys
{code}
loaded = [name for name in {heavy!r} if name in sys.modules]
print("loaded:", *loaded, file=sys.stderr)
"""

COMMAND_LINE = """
from histobench.cli import main
try:
    main({arguments!r})
except SystemExit as end:
    assert not end.code, end.code
"""


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


def cpu_seconds(arguments: list[str]) -> float:
    """Measure the CPU time of the fastest of three fresh processes: a busy machine only ever adds to it."""
    code = f"import sys; sys.argv[1:] = {arguments!r}\n" + COMMAND_LINE.format(arguments=arguments)
    tail = "\nimport resource, sys\nprint(resource.getrusage(resource.RUSAGE_SELF)[:2], file=sys.stderr)"
    times = []
    for _ in range(3):
        finished = python(code + tail)
        assert finished.returncode == 0, finished.stderr
        user, system = finished.stderr.strip().splitlines()[-1].strip("()").split(",")
        times.append(float(user) + float(system))
    return min(times)


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
    finished = python(PROBE.format(code=COMMAND_LINE.format(arguments=arguments), heavy=HEAVY))
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.strip().splitlines()[-1] == "loaded:"


def test_registry_loads_nothing_heavy() -> None:
    code = "from histobench.contracts.registry import Registry; assert Registry.load().methods.names()"
    finished = python(PROBE.format(code=code, heavy=HEAVY))
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.strip() == "loaded:"


def test_help_takes_under_half_a_second_of_cpu_time() -> None:
    assert cpu_seconds(["--help"]) < 0.5


def test_listing_methods_takes_under_a_second_of_cpu_time() -> None:
    assert cpu_seconds(["list", "methods"]) < 1.0


def test_core_imports_without_any_plugin() -> None:
    finished = python(
        "from histobench.contracts.registry import Registry; print(Registry.load().plugins)", HISTOBENCH_PLUGINS="none"
    )
    assert (finished.stdout, finished.stderr) == ("[]\n", "")


def test_listing_without_any_plugin_says_so() -> None:
    finished = python(COMMAND_LINE.format(arguments=["list", "plugins"]), HISTOBENCH_PLUGINS="none")
    assert finished.returncode == 0, finished.stderr
    assert "no plugins installed" in finished.stdout + finished.stderr
