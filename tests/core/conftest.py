"""A command line to call, and a third-party distribution of misbehaving plugins, installed for real."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from histobench.cli import main

KILLED_WHILE_REPLACING = """
import os, signal, sys
from pathlib import Path
from histobench.files import replacing

with replacing(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def leftover() -> Callable[[Path], Path]:
    """A function that lets a process be killed while it replaces a file, and returns the partial file it left."""
    return _killed_while_replacing


def _killed_while_replacing(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    before = set(path.parent.iterdir())
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_REPLACING, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = set(path.parent.iterdir()) - before
    return left


METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"

TRIALS = '''
"""Methods that break their promises, each in its own way, on the toy dataset."""

import os
from dataclasses import dataclass

import numpy as np

from histobench import DatasetCard, MethodCard, Prediction, TargetFact, hookimpl
from histobench.testing import ToyDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    epochs: int = 1
    scale: float = 1.0


class Trial:
    def __init__(self, options, how):
        self.options, self.how = options, how

    def fit(self, train, val, context):
        if self.how == "raises":
            raise RuntimeError("the flux capacitor is empty")
        if self.how == "dies":
            os._exit(9)
        self.names, self.mean = train.targets.names, train.targets.values.mean(axis=0)
        for epoch in range(self.options.epochs):
            context.report(epoch, {"loss": 1.0 / (epoch + 1)})

    def predict(self, samples):
        n, names = len(samples), self.names
        values = np.tile(self.mean, (n, 1)) + self.options.scale * samples.xy_um[:, :1].astype(np.float32)
        if self.how == "says-nan":
            values[0, 0] = np.nan
        if self.how == "says-short":
            values = values[:-1]
        if self.how == "says-misnamed":
            names = tuple(reversed(names))
        if self.how == "says-array":
            return values
        if self.how == "reuses":
            self.buffer = getattr(self, "buffer", np.zeros((n, len(names)), np.float32))
            self.buffer += values
            samples.spot_ids[:] = "X"
            return Prediction(names=names, values=self.buffer)
        if self.how == "prints":
            print("hello from a plugin")
        if self.how == "exits":
            raise SystemExit(7)
        return Prediction(names=names, values=values.astype(np.float32))

    def save(self, folder):
        np.savez(folder / "mean.npz", mean=self.mean, names=np.array(self.names))

    def load(self, folder, context):
        with np.load(folder / "mean.npz", allow_pickle=False) as saved:
            self.mean, self.names = saved["mean"], tuple(map(str, saved["names"]))


def card(how):
    return MethodCard(
        name=how, title=how, licence="MIT", url="https://example.org", options=Options,
        targets=("cell_abundance",), build=lambda options: Trial(options, how),
    )


@hookimpl
def register_methods():
    says = ("says-nan", "says-short", "says-misnamed", "says-array")
    return [card(how) for how in ("behaves", "raises", "dies", "reuses", "prints", "exits", *says)]


class Unreadable(ToyDataset):
    def slides(self, target):
        raise KeyError("a stranger's mistake")


@hookimpl
def register_datasets():
    fact = TargetFact(name="cell_abundance", kind="cell_abundance", title="cells", unit="cells per spot")
    label = TargetFact(name="label", kind="label", title="class", unit="class")
    return [
        DatasetCard(
            name="toy", title="toy", licence="MIT", url="https://example.org", generated=True,
            targets=(fact, label), build=lambda root: ToyDataset(),
        ),
        DatasetCard(
            name="unreadable", title="unreadable", licence="MIT", url="https://example.org", generated=True,
            targets=(fact,), build=lambda root: Unreadable(),
        ),
    ]
'''


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


def install(folder: Path, name: str, source: str) -> None:
    """Install a one-module distribution that registers itself under the entry-point group."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA.format(name=name))
    (info / "entry_points.txt").write_text(f"[histobench]\nplugin = {module}\n")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site folder in which the misbehaving distribution is installed."""
    folder = tmp_path_factory.mktemp("site")
    install(folder, "histobench-trials", TRIALS)
    return folder


@pytest.fixture
def trials(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The misbehaving methods and the toy dataset, among the installed plugins."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Call the command line in this process."""

    def call(*arguments: object) -> Said:
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return call


@pytest.fixture
def spawn() -> Callable[..., "subprocess.Popen[str]"]:
    """Start the command line as a process of its own."""

    def start(*arguments: object, **environment: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "histobench.cli", *map(str, arguments)]
        heard = signal.signal(signal.SIGINT, signal.SIG_DFL)  # a suite in the background hands down that it is deaf
        try:
            return subprocess.Popen(
                command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        finally:
            signal.signal(signal.SIGINT, heard)

    return start
