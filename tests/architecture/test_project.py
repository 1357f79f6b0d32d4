"""The project's own files agree with each other."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

COMMANDS = ["demo", "test", "test-fast", "check", "bench"]


@pytest.fixture(scope="module")
def tracked(repository: Path) -> list[Path]:
    """Text files under version control."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    binary = {".png", ".jpg", ".h5", ".npz", ".ico", ".woff2"}
    paths = [repository / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.suffix not in binary and path.is_file()]


def wanted(repository: Path) -> list[str]:
    """List the distributions that pyproject.toml asks for, normalised."""
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + project["optional-dependencies"]["dev"]
    return [re.sub(r"[-_.]+", "-", re.split(r"[<>=!~ \[;]", name)[0]).lower() for name in asked]


def test_every_dependency_is_pinned(repository: Path) -> None:
    lines = (repository / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    names = {re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in pins}
    assert [name for name in wanted(repository) if name not in names] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_makefile_and_the_readme(repository: Path, command: str) -> None:
    assert re.search(rf"^{command}:.*## ", (repository / "Makefile").read_text(), re.MULTILINE)
    assert f"make {command}" in (repository / "README.md").read_text(encoding="utf-8")


def test_demo_and_test_head_the_readme(repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"make [a-z-]+", text)[:2] == ["make demo", "make test"]


def test_continuous_integration_runs_the_test_command(repository: Path) -> None:
    script = repository / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test\n" in script.read_text()


def test_every_package_is_typed(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())
    packages = project["tool"]["mypy"]["packages"]
    roots = project["tool"]["setuptools"]["packages"]["find"]["where"]
    assert len(packages) == len(roots) == 6
    assert sorted(path.parent.name for root in roots for path in (repository / root).glob("*/py.typed")) == sorted(
        packages
    )


def test_layers_are_those_of_the_architecture(repository: Path) -> None:
    contracts = (repository / ".importlinter").read_text()
    layers = re.search(r"^layers =\n((?:    .*\n)+)", contracts, re.MULTILINE)
    assert layers is not None
    text = (repository / "ARCHITECTURE.md").read_text(encoding="utf-8")
    modules = re.findall(r"\w+", layers.group(1))
    assert [name for name in modules if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    "pattern",
    [r"(?:^|[^\w.])/(?:work|root|farm)/", r"p[y]pi\.org|p[y]thonhosted\.org|registry\.n[p]mjs|deb\.d[e]bian\.org"],
    ids=["path of one machine", "host of a package registry"],
)
def test_no_file_names_one_machine_or_registry(tracked: list[Path], pattern: str) -> None:
    named = [str(path) for path in tracked if re.search(pattern, path.read_text(encoding="utf-8", errors="replace"))]
    assert [path for path in named if Path(path) != Path(__file__)] == []


def test_no_tracked_file_is_large(tracked: list[Path]) -> None:
    assert [str(path) for path in tracked if path.stat().st_size > 1_000_000] == []
