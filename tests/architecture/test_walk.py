"""How many files a reader passes from ``histobench run`` to the line where a loss is computed."""

import traceback
from pathlib import Path

import pytest

from histobench.cli import main
from histobench_heads.cuca import losses
from histobench_heads.cuca import method as cuca

WALK = [
    "core/histobench/cli/run.py",
    "core/histobench/study/queue.py",
    "core/histobench/study/job.py",
    "plugins/heads/histobench_heads/frames/spotwise/method.py",
    "core/histobench/training/loop.py",
    "plugins/heads/histobench_heads/cuca/method.py",
    "plugins/heads/histobench_heads/cuca/losses.py",
]
"""In the order in which they are called. A reader opens ``cuca/method.py`` before the frame that it inherits from."""

SMALL = """
from histobench import DatasetCard, TargetFact, hookimpl
from histobench.testing import ToyDataset

@hookimpl
def register_datasets():
    facts = [TargetFact(name=kind, kind=kind, title=kind, unit="x") for kind in ("cell_abundance", "gene_expression")]
    return [DatasetCard(name="small", title="small", targets=tuple(facts), build=lambda root: ToyDataset())]
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A dataset of few spots, as a distribution of its own among the installed ones."""
    (tmp_path / "small.py").write_text(SMALL)
    info = tmp_path / "small-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: small\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[histobench]\nplugin = small\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "small"


def test_the_loss_is_seven_files_from_the_command(
    small: str, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[str] = []

    def compute(*_arguments: object, **_named: object) -> None:
        called = [Path(frame.filename) for frame in traceback.extract_stack()[:-1]] + [Path(losses.__file__)]
        inside = [path.relative_to(repository) for path in called if path.is_relative_to(repository)]
        passed.extend(dict.fromkeys(path.as_posix() for path in inside if path.parts[0] in ("core", "plugins")))
        raise RuntimeError  # the walk is known: the job may end here

    monkeypatch.setattr(cuca, "cuca_losses", compute)
    study = ("--methods", "cuca", "--datasets", small, "--folds", "toy:1", "--preset", "quick", "--metrics", "pearson")
    with pytest.raises(SystemExit):
        main(["--quiet", "run", *study, "--no-tracking", "--workers", "1", "--out", str(tmp_path / "out")])
    # first the function behind the `histobench` script, which turns errors into exit codes for every command alike
    assert passed == ["core/histobench/cli/__init__.py", *WALK]
