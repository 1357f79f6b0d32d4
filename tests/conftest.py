"""What tests of several packages share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from histobench.testing import ToyDataset

REPOSITORY = Path(__file__).resolve().parent.parent
DATA_VARIABLE = "HISTOBENCH_TEST_DATA"

# A machine shared by several test processes is slow at times; how long an example takes is no fact about the code.
settings.register_profile("histobench", deadline=None, max_examples=50)
settings.load_profile("histobench")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def her2st_root() -> Path:
    """The folder of the real her2st release, or a skip."""
    given = os.environ.get(DATA_VARIABLE)
    root = (Path(given) if given else REPOSITORY.parent / "shared" / "data") / "her2st"
    if not root.is_dir():
        pytest.skip(f"no real data: {root} is not there; set {DATA_VARIABLE} to the folder that holds 'her2st'")
    return root


@pytest.fixture(scope="session")
def toy() -> ToyDataset:
    """Four patients, sixty spots each, with a signal worth finding."""
    return ToyDataset()


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what a developer has set, and their caches, out of the tests."""
    for variable in ("HISTOBENCH_PLUGINS", "HISTOBENCH_DATA", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HISTOBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
