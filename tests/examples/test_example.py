"""The example package, installed as pip installs it, is found, keeps every contract, and takes part in a run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = "histobench-example"


@pytest.fixture(scope="module")
def site(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the example, without a network."""
    source = tmp_path_factory.mktemp("source") / EXAMPLE
    shutil.copytree(repository / "examples" / EXAMPLE, source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    target = tmp_path_factory.mktemp("site")
    command = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", target]
    subprocess.run([sys.executable, *command, source], check=True, capture_output=True, text=True)
    return target


def python(site: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the interpreter with the example on its path."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200", "OMP_NUM_THREADS": "1", **environment},
    )


def histobench(site: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return python(site, "-m", "histobench.cli", *arguments)


def test_example_is_listed_with_its_distribution(site: Path) -> None:
    listed = histobench(site, "list", "plugins", "--json")
    assert listed.returncode == 0, listed.stderr
    assert f"{EXAMPLE}:example" in listed.stdout


@pytest.mark.parametrize(
    ("kind", "name"),
    [("encoders", "grid-colours"), ("methods", "nearest"), ("datasets", "stripes"), ("metrics", "median-error")],
)
def test_each_card_of_the_example_is_listed(site: Path, kind: str, name: str) -> None:
    listed = histobench(site, "list", kind, "--json")
    assert listed.returncode == 0, listed.stderr
    assert name in [card["name"] for card in json.loads(listed.stdout)]


def test_example_keeps_every_contract(site: Path) -> None:
    code = f"from histobench.testing import check_plugin\nfor card in check_plugin({EXAMPLE!r}): print(card)"
    finished = python(site, "-W", "error", "-c", code)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines() == [
        "Checked(kind='encoder', name='grid-colours', skipped='')",
        "Checked(kind='method', name='nearest', skipped='')",
        "Checked(kind='dataset', name='stripes', skipped='')",
        "Checked(kind='metric', name='median-error', skipped='')",
    ]


def test_checking_a_distribution_that_is_not_there_names_those_that_are(site: Path) -> None:
    finished = python(site, "-c", "from histobench.testing import check_plugin; check_plugin('histobench-exampel')")
    assert (
        "no distribution with plugins named 'histobench-exampel'. Did you mean 'histobench-example'" in finished.stderr
    )


def test_example_takes_part_in_a_run(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["--methods", "nearest", "--datasets", "stripes", "--metrics", "median-error,pearson", "--no-tracking"]
    finished = histobench(site, "run", *arguments, "--out", out)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    records = [json.loads(path.read_text()) for path in out.glob("jobs/*/record.json")]
    ours = [record for record in records if record["job"]["method"] == "nearest"]
    assert sorted(record["job"]["fold"] for record in ours) == ["stripes:1", "stripes:2", "stripes:3"]
    assert {record["job"]["encoder"] for record in ours} == {"grid-colours"}
    assert all(score < 8.0 for r in ours for score in r["scores"]["median-error"]["pooled"])
    assert {"mean", "position"} <= {record["job"]["method"] for record in records}
    assert ours[0]["job"]["versions"]["method"] == "histobench-example:example 1.0.0 revision 1"


BROKEN = {
    "raises-on-import": ("raise RuntimeError('no licence key')", "RuntimeError: no licence key"),
    "returns-a-non-card": (
        "from histobench import hookimpl\n@hookimpl\ndef register_metrics():\n    return [{'name': 'x'}]",
        "register_metrics must return MetricCard objects, got dict",
    ),
    "misspells-a-hook": (
        "from histobench import hookimpl\n@hookimpl\ndef register_metric():\n    return []",
        "it implements an unknown hook",
    ),
    "takes-a-taken-name": (
        "from histobench import hookimpl\n"
        "from histobench_example.catalogue import METRICS\n@hookimpl\ndef register_metrics():\n    return METRICS",
        "the name of its metric 'median-error' is taken by plugin 'histobench-example:example'",
    ),
}


class TestBrokenNeighbour:
    """A package that breaks the rules, installed beside the example, costs only itself and is named."""

    def install(self, folder: Path, name: str, code: str) -> None:
        """Write what pip would: a module, and its distribution's metadata."""
        module = f"histobench_zz_{name.replace('-', '_')}"
        (folder / f"{module}.py").write_text(code)
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: zz-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[histobench]\nmain = {module}\n")

    @pytest.mark.parametrize("name", BROKEN)
    def test_costs_only_itself(self, site: Path, tmp_path: Path, name: str) -> None:
        code, cause = BROKEN[name]
        self.install(tmp_path, name, code)
        path = f"{site}{os.pathsep}{tmp_path}"
        listed = python(site, "-m", "histobench.cli", "list", "plugins", PYTHONPATH=path)
        assert listed.returncode == 0, listed.stderr
        assert cause in " ".join((listed.stdout + listed.stderr).split())
        metrics = python(site, "-m", "histobench.cli", "list", "metrics", "--json", PYTHONPATH=path)
        assert {"median-error", "pearson"} <= {card["name"] for card in json.loads(metrics.stdout)}

    def test_is_told_by_the_contract_kit(self, site: Path, tmp_path: Path) -> None:
        self.install(tmp_path, "broken", "raise RuntimeError('no licence key')")
        code = "from histobench.testing import check_plugin; check_plugin('zz-broken')"
        finished = python(site, "-c", code, PYTHONPATH=f"{site}{os.pathsep}{tmp_path}")
        assert "plugin 'zz-broken:main' does not load: RuntimeError: no licence key" in finished.stderr
