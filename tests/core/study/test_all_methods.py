"""Every installed method in one study, and a third-party method that fails among them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from histobench.contracts.registry import Registry
from histobench.results.store import read_predictions

FAULTY = '''
"""A method that promises everything and fits nothing."""

from dataclasses import dataclass

from histobench import MethodCard, hookimpl


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    epochs: int = 1


class Faulty:
    def fit(self, train, val, context):
        raise RuntimeError("the reagent has run out")


@hookimpl
def register_methods():
    return [
        MethodCard(
            name="faulty", title="fails", licence="MIT", url="https://example.org", options=Options,
            targets=("cell_abundance", "gene_expression"), build=lambda options: Faulty(),
        )
    ]
'''

# The command of the issue on one fold, made narrow: one epoch, few trees, small encoders in the slots, and for the
# methods that train one the patches that the whole-slide methods read anyhow. Labels are left out: every method that
# serves them serves genes too, and what it makes of them the contract kit tries.
SMALL = (
    *("--methods", "all", "--datasets", "synthetic", "--preset", "quick", "--epochs", "1", "--folds", "synthetic:P1"),
    *("--targets", "cell_abundance,gene_expression", "--encoders", "colour-stats,vit-tiny@full", "--threads", "1"),
    *("--metrics", "pearson,rmse", "--no-tracking", "--set", "boosted-trees.trees=5"),
)
SMALL_PATCHES = ("cuca", "fmmlp", "hist2cell", "stnet", "he2gene-base", "he2gene-spat")
MINUTES = 60
KINDS = ("cell_abundance", "gene_expression")
N_TARGETS = {"cell_abundance": 8, "gene_expression": 120}

Say = Callable[..., object]
Job = tuple[str, str]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The failing method, as a distribution of its own among the installed ones."""
    site = tmp_path_factory.mktemp("faulty")
    (site / "histobench_faulty.py").write_text(FAULTY)
    info = site / "histobench_faulty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: histobench-faulty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[histobench]\nplugin = histobench_faulty\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        yield


def _records(out: Path) -> dict[Path, dict]:
    return {path.parent: json.loads(path.read_text()) for path in sorted(out.glob("jobs/*/record.json"))}


def _by_status(out: Path, status: str) -> set[Job]:
    jobs = [record["job"] for record in _records(out).values() if record["status"] == status]
    return {(job["method"], job["kind"]) for job in jobs}


def _whole(folder: Path, record: dict) -> bool:
    """Tell if a job left a score for every target and test slide, and finite predictions of every spot."""
    n_targets, slides = N_TARGETS[record["job"]["kind"]], record["job"]["test"]
    stored = read_predictions(folder / "predictions.h5")
    return (
        {len(record["scores"][metric]["per_slide"][s]) for metric in ("pearson", "rmse") for s in slides} == {n_targets}
        and {slide: record["n_spots"][slide] for slide in slides} == {one.slide_id: len(one.spot_ids) for one in stored}
        and all(one.predicted.values.shape == (len(one.spot_ids), n_targets) for one in stored)
        and all(np.isfinite(one.predicted.values).all() for one in stored)
    )


@pytest.mark.slow
@pytest.mark.timeout(15 * MINUTES)  # about 80 s on one free core
def test_a_method_that_fails_leaves_the_results_of_all_others_whole(faulty: None, say: Say, tmp_path: Path) -> None:
    small = [part for name in SMALL_PATCHES for part in ("--set", f"{name}.patch_px=32")]
    said = say("run", *SMALL, *small, "--out", tmp_path)
    cards = Registry.load().methods.cards.values()
    serving = {(card.name, kind) for card in cards for kind in KINDS if kind in card.targets}
    failing = {("faulty", kind) for kind in KINDS}
    assert failing < serving
    assert said.code == 1
    assert _by_status(tmp_path, "failed") == failing
    assert _by_status(tmp_path, "done") == serving - failing
    assert f"failed: faulty, synthetic {KINDS[0]}, fold synthetic:P1, seed 0: RuntimeError: the reagent" in said.err
    assert f"2 of {len(_records(tmp_path))} jobs failed" in said.err
    done = {folder: record for folder, record in _records(tmp_path).items() if record["status"] == "done"}
    assert [record["job"]["method"] for folder, record in done.items() if not _whole(folder, record)] == []
    assert all(name in said.out for name, _ in serving - failing)
