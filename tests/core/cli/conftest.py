"""A third-party method whose publisher left checkpoints and numbers behind, installed for real."""

from pathlib import Path

import pytest

PUBLISHED = '''
"""A line through the plane, its checkpoints and its numbers."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from histobench import DatasetCard, MethodCard, Prediction, TargetFact, hookimpl, leave_one_patient_out
from histobench.contracts.published import Converted, Reproduction, length, renamed
from histobench.testing import ToyDataset
from histobench.training import load_weights, save_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    bias: bool = True
    halve: bool = False


class Plane:
    def __init__(self, options):
        self.options = options

    def _make(self, n):
        self.module = nn.Linear(2, n, bias=self.options.bias)

    def fit(self, train, val, context):
        self.names = train.targets.names
        self._make(len(self.names))
        plane = np.linalg.lstsq(_plane(train), train.targets.values, rcond=None)[0].astype(np.float32)
        self.module.load_state_dict({"weight": torch.from_numpy(plane[:2].T), "bias": torch.from_numpy(plane[2])})

    def predict(self, samples):
        with torch.no_grad():
            values = self.module(torch.from_numpy(samples.xy_um.astype(np.float32))).numpy()
        return Prediction(names=self.names, values=values / 2 if self.options.halve else values)

    def save(self, folder):
        (folder / "method.json").write_text(json.dumps({"names": self.names}))
        save_weights(self.module, folder / "weights.safetensors")

    def load(self, folder, context):
        self.names = tuple(json.loads((folder / "method.json").read_text())["names"])
        self._make(len(self.names))
        load_weights(self.module, folder / "weights.safetensors")


def _plane(samples):
    return np.column_stack([samples.xy_um, np.ones(len(samples))])


def convert(tensors, request):
    names = request.target_names(length(tensors, "net.weight"))
    return Converted(
        tensors=renamed({n: t for n, t in tensors.items() if n != "decoder"}, {r"net\\.": ""}),
        facts={"names": names}, targets=names, options={"bias": "net.bias" in tensors},
        left_out={"decoder": "it is of no use in prediction"} if "decoder" in tensors else {},
    )


def number(**more):
    facts = dict(
        dataset="field", target="cell_abundance", scheme="leave-one-patient-out", metric="rmse", view="per slide",
        value=2.0, tolerance=5.0, panel="5 cell types", source="Anyone (2020), table 1",
    )
    return Reproduction(**facts | more)


@hookimpl
def register_methods():
    return [
        MethodCard(
            name="plane", title="a plane over the slide", licence="MIT", url="https://example.org",
            citation="Anyone (2020)", options=Options, targets=("cell_abundance", "gene_expression"), build=Plane,
            dataset_options={"field": {"halve": False}}, presets={"quick": {"halve": True}},
            parameters={"5 cell types": 15}, convert=convert,
            reproductions=(
                number(slides=4, patients=4, note="the paper's stain is not ours"),
                number(view="pooled per fold"),
                number(dataset="strict", value=-100.0, metric="mae", folds=("toy:1",)),
                number(dataset="elsewhere"),
                number(dataset="toy-slides", target="rna", scheme="random", slides=5, patients=9, metric="guess"),
            ),
        ),
        MethodCard(
            name="silent", title="published nothing", licence="MIT", url="https://example.org", options=Options,
            targets=("cell_abundance",), build=Plane,
        ),
    ]


@hookimpl
def register_datasets():
    kinds = ("cell_abundance", "gene_expression")
    facts = tuple(TargetFact(name=kind, kind=kind, title=kind, unit="any") for kind in kinds)
    return [
        DatasetCard(
            name=name, title=name, licence="MIT", url="https://example.org", generated=True, targets=facts,
            schemes=(leave_one_patient_out,), build=lambda root: ToyDataset(),
        )
        for name in ("field", "strict", "toy-slides")
    ]
'''


@pytest.fixture(scope="session")
def published_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site folder in which the method's distribution is installed."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "histobench_published.py").write_text(PUBLISHED)
    info = folder / "histobench_published-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: histobench-published\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[histobench]\nplugin = histobench_published\n")
    return folder


@pytest.fixture
def published(published_site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The methods ``plane`` and ``silent`` and their datasets, among the installed plugins."""
    monkeypatch.syspath_prepend(str(published_site))
    monkeypatch.setenv("PYTHONPATH", str(published_site))
