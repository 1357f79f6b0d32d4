"""Patches drawn by somebody else's method: judged, stored, shown, drawn again on demand, exported."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
from PIL import Image

from histobench import PatchGeometry
from histobench.cache import Cache
from histobench.data import ImageFeatures
from histobench.images.embedding import slide_patches
from histobench.reports.anndata import file_name
from histobench.results.store import read_predictions
from histobench.testing import ToyDataset

Say = Callable[..., Any]  # Any: what was said, from tests/core/conftest.py

PAINTER = '''
"""Paints a patch in the mean colour that goes with its expression, and pairs and cleans by it."""

from dataclasses import dataclass

import numpy as np

from histobench import (
    DatasetCard, Generated, MethodCard, Pairing, PatchGeometry, Prediction, TargetFact, hookimpl, leave_one_patient_out,
)
from histobench.testing import ToyDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    misbehaves: str = ""


class Painter:
    def __init__(self, options):
        self.options = options

    def fit(self, train, val, context):
        self.kind, self.names = train.targets.kind, train.targets.names
        shares = self.shares(train.counts.values)
        self.genes = train.counts.names
        self.map = np.zeros((shares.shape[1], 3))
        if self.kind == "generate":
            colours = train.patches[np.arange(len(train))].mean(axis=(1, 2))
            self.map = np.linalg.lstsq(shares, colours, rcond=1e-6)[0]

    def shares(self, counts):
        return np.log1p(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * 1e3)

    def predict(self, samples):
        if self.options.misbehaves == "cheats" and self.kind == "retrieve":
            both = np.concatenate([self.shares(samples.counts.values), samples.xy_um], axis=1).astype(np.float32)
            return Pairing(image=both, expression=both)
        if self.options.misbehaves == "table":
            return Prediction(names=self.names, values=np.zeros((len(samples), len(self.names)), np.float32))
        assert samples.counts.names == self.genes
        if self.kind == "generate":
            assert samples.patches is None and samples.embeddings is None
            grain = np.random.default_rng(0).normal(0.0, 12.0, (len(samples), 16, 16, 3))
            images = self.paint(self.prompts(samples.counts)) + grain
            images = np.clip(images, 0, 255).astype(np.uint8)
            return Generated(images=images, image=self.view(images), expression=self.prompts(samples.counts))
        shares = self.shares(samples.counts.values)
        if self.kind == "retrieve":
            return Pairing(image=shares, expression=shares)
        values = np.log1p(np.expm1(shares[:, [self.genes.index(name) for name in self.names]]) * 10)
        return Prediction(names=self.names, values=values.astype(np.float32), latent=shares[:, :4])

    def view(self, patches):
        return patches[np.arange(len(patches))].mean(axis=(1, 2))

    def paint(self, colours):
        return np.tile(np.clip(colours, 0, 255).astype(np.uint8)[:, None, None], (1, 16, 16, 1))

    def prompts(self, counts):
        table = np.zeros((len(counts.values), len(self.genes)))
        for column, gene in enumerate(self.genes):
            if gene in counts.names:
                table[:, column] = counts.values[:, counts.names.index(gene)]
        return self.encode(self.shares(table))

    def encode(self, expression):
        return expression @ self.map

    def draw(self, prompts, drawing):
        images = len(drawing.seeds) * drawing.n_samples
        return np.repeat(self.paint(prompts)[:, None], images, axis=1)

    def save(self, folder):
        np.savez(folder / "map.npz", map=self.map, names=self.names, genes=self.genes, kind=self.kind)

    def load(self, folder, context):
        with np.load(folder / "map.npz") as saved:
            self.map, self.kind = saved["map"], str(saved["kind"])
            self.names, self.genes = (tuple(saved[part].tolist()) for part in ("names", "genes"))


@hookimpl
def register_methods():
    return [
        MethodCard(
            name="painter", title="mean colours", licence="MIT", url="https://example.org", options=Options,
            targets=("enhance", "generate", "retrieve"), build=Painter,
            patch=lambda options: PatchGeometry(patch_px=16, field_px=64),
        )
    ]


@hookimpl
def register_datasets():
    kinds = ("cell_abundance", "gene_expression")
    facts = tuple(TargetFact(name=kind, kind=kind, title=kind, unit="any") for kind in kinds)
    return [
        DatasetCard(
            name="canvas", title="canvas", licence="MIT", url="https://example.org", generated=True, targets=facts,
            schemes=(leave_one_patient_out,), build=lambda root: ToyDataset(),
        )
    ]
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("painter")
    (folder / "histobench_painter.py").write_text(PAINTER)
    info = folder / "histobench_painter-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: histobench-painter\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[histobench]\nplugin = histobench_painter\n")
    return folder


@pytest.fixture(autouse=True)
def painter(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(site))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("canvas")


@pytest.fixture
def study(say: Say, folder: Path) -> Path:
    """All three tasks over one fold, run once for this file."""
    if not (folder / "jobs").exists():
        said = say(*RUN, "--folds", "toy:1", "--out", folder)
        assert said.code == 0, said.err
    return folder


RUN = (
    *("run", "--datasets", "canvas", "--methods", "painter", "--judge", "colour-stats", "--preset", "quick"),
    *("--no-tracking", "--threads", "1"),
)


def job(study: Path, target: str, method: str = "painter") -> Path:
    for path in study.glob("jobs/*/job.json"):
        spec = json.loads(path.read_text())
        if (spec["target"], spec["method"]) == (target, method):
            return path.parent
    raise AssertionError(f"no job of {method} for {target}")


def drawn(study: Path) -> ImageFeatures:
    (result,) = read_predictions(job(study, "generate") / "predictions.h5")
    assert result.features is not None
    return result.features


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_without_a_target_a_method_runs_on_what_it_is_made_for(study: Path) -> None:
    specs = [json.loads(path.read_text()) for path in study.glob("jobs/*/job.json")]
    assert {spec["target"] for spec in specs} == {"enhance", "retrieve", "generate"}
    assert {spec["target"] for spec in specs if spec["method"] == "painter"} == {"enhance", "retrieve", "generate"}


def test_generated_patches_are_judged_beside_the_real_ones_of_the_same_spots(study: Path) -> None:
    features = drawn(study)
    toy = ToyDataset()
    spots = len(toy.table(toy.slides("gene_expression")[0], "gene_expression").spot_ids)
    assert features.images.shape == features.patches.shape == (spots, 64, 64, 3)
    assert features.generated.shape == features.real.shape
    colours = (part.mean(axis=(1, 2)).ravel() for part in (features.images, features.patches))
    assert np.corrcoef(*colours)[0, 1] > 0.5


def test_real_patches_have_places_beside_the_drawn_in_the_methods_space(study: Path) -> None:
    features = drawn(study)
    assert features.real_image is not None
    toy = ToyDataset()
    slide = toy.slides("gene_expression")[0]
    table = toy.table(slide, "gene_expression")
    real = slide_patches(Cache(), toy.image(slide), table, PatchGeometry(patch_px=16, field_px=64))  # the method's own
    np.testing.assert_allclose(features.real_image, real[np.arange(len(real))].mean(axis=(1, 2)), rtol=1e-6)
    record = json.loads((job(study, "generate") / "record.json").read_text())
    paired, *_, real = record["scores"]["clip-score"]["per_slide"]["toy1"]
    assert 0.9 < real < paired < 1  # it paints the prompt itself


def test_expression_is_read_off_what_was_painted(study: Path) -> None:
    record = json.loads((job(study, "generate") / "record.json").read_text())
    assert record["job"]["judge"] == "colour-stats"
    blind = json.loads((job(study, "generate", "random-patch") / "record.json").read_text())
    scores = [np.nanmean(one["scores"]["pearson"]["per_slide"]["toy1"]) for one in (record, blind)]
    assert scores[0] > scores[1] + 0.1


def test_the_judge_is_part_of_a_jobs_name_and_of_nothing_else(say: Say, study: Path, tmp_path: Path) -> None:
    other = [part if part != "colour-stats" else "resnet18.random" for part in RUN]
    said = say(*other, "--folds", "toy:1", "--targets", "generate,retrieve", "--out", tmp_path)
    assert said.code == 0, said.err
    assert job(tmp_path, "generate").name != job(study, "generate").name
    assert job(tmp_path, "retrieve").name == job(study, "retrieve").name


def test_a_wrong_answer_costs_only_its_job(say: Say, tmp_path: Path) -> None:
    asked = ("--targets", "retrieve", "--set", "painter.misbehaves=table")
    said = say(*RUN, "--folds", "toy:1", "--out", tmp_path, *asked)
    assert said.code == 1
    record = json.loads((job(tmp_path, "retrieve") / "record.json").read_text())
    assert "predict must return a Pairing, got Prediction." in record["error"]


def test_a_method_that_retrieves_by_what_it_is_asked_for_gains_nothing(say: Say, tmp_path: Path) -> None:
    asked = ("--targets", "retrieve", "--set", "painter.misbehaves=cheats")
    said = say(*RUN, "--folds", "toy:1", "--out", tmp_path, *asked)
    assert said.code == 0, said.err
    record = json.loads((job(tmp_path, "retrieve") / "record.json").read_text())
    assert record["scores"]["retrieval"]["per_slide"]["toy1"][0] == pytest.approx(0.5, abs=0.15)


def test_a_picture_shows_real_beside_generated(study: Path, say: Say) -> None:
    said = say("leaderboard", "build", "--out", study)
    assert said.code == 0, said.err
    with Image.open(study / "site" / "jobs" / f"{job(study, 'generate').name}.png") as picture:
        assert picture.width > picture.height > 100


def test_rows_of_numbers_are_drawn_with_seeds_and_told_in_a_manifest(say: Say, study: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.array([[250.0, 10.0, 10.0], [10.0, 10.0, 250.0]]))
    said = say(
        *("generate", job(study, "generate").name, "--study", study, "--out", tmp_path / "drawn", "--encoded"),
        *("--prompts", tmp_path / "rows.npy", "--seeds", "0,4-5", "--n-samples", 2),
    )
    assert said.code == 0, said.err
    entries = list(csv.DictReader((tmp_path / "drawn" / "manifest.csv").read_text().splitlines()))
    assert [(e["prompt"], e["seed"], e["sample"]) for e in entries[:7]] == [
        *(("0", "0", "0"), ("0", "0", "1"), ("0", "4", "0"), ("0", "4", "1"), ("0", "5", "0"), ("0", "5", "1")),
        ("1", "0", "0"),
    ]
    assert pixels(tmp_path / "drawn" / entries[-1]["file"])[0, 0].tolist() == [10, 10, 250]
    assert pixels(tmp_path / "drawn" / "sheet.png").shape[1] > 100
    files = {path.name for path in (tmp_path / "drawn").iterdir()} - {".lock"}
    assert files == {"manifest.csv", "sheet.png", *(entry["file"] for entry in entries)}


@pytest.fixture
def spots(tmp_path: Path) -> Path:
    """The toy's first slide as AnnData."""
    toy = ToyDataset()
    table = toy.table(toy.slides("gene_expression")[0], "gene_expression")
    file = anndata.AnnData(X=table.counts.values)
    file.var_names, file.obs_names = list(table.counts.names), list(table.spot_ids)
    file.obs["part"] = np.where(np.arange(len(table.spot_ids)) < 30, "upper", "lower")
    file.write_h5ad(tmp_path / "spots.h5ad")
    return tmp_path / "spots.h5ad"


def with_genes(spots: Path, share: float) -> tuple[int, int]:
    """Leave a share of the genes in the file: how many, of how many."""
    file = anndata.read_h5ad(spots)
    n = round(share * file.n_vars)
    file[:, :n].copy().write_h5ad(spots)
    return n, file.n_vars


@pytest.mark.usefixtures("spots")
def test_spots_of_an_annotated_file_are_drawn_by_cluster(say: Say, study: Path, tmp_path: Path) -> None:
    said = say(
        *("generate", job(study, "generate").name[:8], "--study", study, "--out", tmp_path / "drawn"),
        *("--prompts", tmp_path / "spots.h5ad", "--clusters", "part", "--n-samples", 3),
    )
    assert said.code == 0, said.err
    entries = list(csv.DictReader((tmp_path / "drawn" / "manifest.csv").read_text().splitlines()))
    assert [entry["label"] for entry in entries] == ["lower"] * 3 + ["upper"] * 3
    assert {Path(entry["file"]).parts[0] for entry in entries} == {"cluster_0", "cluster_1"}
    assert all((int(entry["row"]) < 30) == (entry["label"] == "upper") for entry in entries)


@pytest.mark.parametrize(("share", "told"), [(1.0, "."), (0.75, "are read as not expressed")])
def test_how_many_of_the_genes_a_file_has_is_told(
    say: Say, study: Path, tmp_path: Path, spots: Path, share: float, told: str
) -> None:
    found, genes = with_genes(spots, share)
    given = ("--study", study, "--out", tmp_path / "drawn", "--prompts", spots)
    said = say("generate", job(study, "generate").name, *given)
    assert said.code == 0, said.err
    assert f"has {found} of the {genes} genes that the method reads{told if share == 1 else ';'}" in said.err
    assert told in said.err


@pytest.mark.parametrize("ends", [False, True])
def test_a_file_of_few_of_the_genes_is_drawn_from_only_when_asked(
    say: Say, study: Path, tmp_path: Path, spots: Path, ends: bool
) -> None:
    found, genes = with_genes(spots, 0.25)
    asked = ("--from", f"{spots}:0", "--to", f"{spots}:1") if ends else ("--prompts", spots)
    command = ("generate", job(study, "generate").name, "--study", study, "--out", tmp_path / "drawn", *asked)
    said = say(*command)
    assert said.code == 2
    assert f"has {found} of the {genes} genes" in said.err
    assert "at least 50% of them" in said.err
    assert "--min-genes" in said.err
    assert not (tmp_path / "drawn").exists()
    assert say(*command, "--min-genes", 0.2).code == 0


def test_a_file_of_none_of_the_genes_is_refused_whatever_is_asked(
    say: Say, study: Path, tmp_path: Path, spots: Path
) -> None:
    file = anndata.read_h5ad(spots)
    file.var_names = [f"ENSG{number}" for number in range(file.n_vars)]
    file.write_h5ad(spots)
    given = ("--study", study, "--out", tmp_path / "drawn", "--prompts", spots, "--min-genes", 0)
    said = say("generate", job(study, "generate").name, *given)
    assert said.code == 2
    assert "has 0 of the" in said.err
    assert "it has genes such as 'ENSG0'" in said.err


def test_a_folder_with_other_files_is_refused_before_anything_is_drawn(say: Say, study: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    np.save(tmp_path / "rows.npy", np.eye(3))
    given = ("--study", study, "--out", tmp_path, "--encoded", "--prompts", tmp_path / "rows.npy")
    said = say("generate", "no job is even looked up", *given)
    assert said.code == 2
    assert "contains 2 files that its manifest does not list ('notes.txt', 'rows.npy')" in said.err
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_path_leads_from_one_prompt_to_another(say: Say, study: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.array([[200.0, 0.0, 0.0], [0.0, 0.0, 200.0]]))
    said = say(
        *("generate", job(study, "generate").name, "--study", study, "--out", tmp_path / "path", "--encoded"),
        *("--from", f"{tmp_path / 'rows.npy'}:0", "--to", f"{tmp_path / 'rows.npy'}:1", "--steps", 3),
    )
    assert said.code == 0, said.err
    middle = pixels(tmp_path / "path" / "prompt_00001_t0.5_seed0000_00.png")
    assert middle[0, 0].tolist() == [141, 0, 141]  # on the sphere: 200 / sqrt(2)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--prompts", "rows.npy", "--seeds", "x"), "--seeds takes numbers and ranges"),
        (("--prompts", "rows.npy", "--translate", "1"), "--translate takes X,Y"),
        (("--prompts", "rows.txt"), "takes an .h5ad or .npy file"),
        (("--prompts", "missing.npy"), "there is no file"),
        (("--prompts", "missing.h5ad"), "--encoded needs rows of numbers"),
        (("--from", "rows.npy:0"), "give either --prompts FILE"),
        (("--from", "rows.npy:0", "--to", "rows.npy:9"), "row 9 does not exist"),
        (("--from", "rows.npy", "--to", "rows.npy:1"), "given as FILE:ROW"),
        (("--prompts", "pickled.npy"), "cannot be read as a matrix"),
        (("--prompts", "rows.npy", "--n-samples", "0"), "a drawing needs a seed and a sample"),
        (("--prompts", "rows.npy", "--clusters", "x"), "--clusters needs --prompts with a file of spots"),
        (("--from", "rows.npy:0", "--to", "rows.npy:1", "--clusters", "x"), "--clusters needs --prompts"),
        (("--prompts", "rows.npy", "--seeds", "0-99999999999"), "numbers below 2 to the power of 32"),
        (("--prompts", "rows.npy", "--seeds", "0-4000000000"), "ranges of up to"),
        (("--prompts", "rows.npy", "--truncation", "nan"), "must be finite numbers"),
        (("--prompts", "rows.npy", "--translate", "nan,0"), "must be finite numbers"),
        (("--prompts", "large.npy"), "too large values"),
        (("--prompts", "claims.npy"), "cannot be read as a matrix"),
        (("--from", "rows.npy:0", "--to", "wide.npy:0"), "must have the same width, got 3 and 7"),
    ],
)
def test_a_wrong_wish_is_told_in_a_sentence(
    say: Say, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("rows.npy", np.eye(3))
    np.save("pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save("large.npy", np.full((1, 3), 1e300))
    np.save("wide.npy", np.ones((1, 7)))
    with Path("claims.npy").open("wb") as file:  # more rows than any memory holds
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**13, 60)}
        np.lib.format.write_array_header_1_0(file, header)
    Path("rows.txt").write_text("1 2 3")
    said = say("generate", job(study, "generate").name, "--study", study, "--out", "drawn", "--encoded", *asked)
    assert said.code == 2
    assert told in said.err
    assert not Path("drawn").exists()


def test_a_file_that_is_no_annotated_data_is_told_in_a_sentence(say: Say, study: Path, tmp_path: Path) -> None:
    (tmp_path / "spots.h5ad").write_bytes(b"no HDF5 at all")
    given = ("--study", study, "--out", tmp_path / "drawn", "--prompts", tmp_path / "spots.h5ad")
    said = say("generate", job(study, "generate").name, *given)
    assert (said.code, "cannot be read as AnnData" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("spots", "n_samples", "told"), [(0, 4, "has no spots"), (3, -1, "--n-samples must be at least 1")]
)
def test_spots_that_are_none_are_told_in_a_sentence(
    say: Say, study: Path, tmp_path: Path, spots: int, n_samples: int, told: str
) -> None:
    toy = ToyDataset()
    genes = toy.table(toy.slides("gene_expression")[0], "gene_expression").counts.names
    file = anndata.AnnData(X=np.ones((spots, len(genes)), dtype=np.float32), obs={"leiden": ["a"] * spots})
    file.var_names = list(genes)
    file.write_h5ad(tmp_path / "spots.h5ad")
    np.save(tmp_path / "labels.npy", np.array(["a"] * spots, dtype=np.str_))
    given = ("--study", study, "--out", tmp_path / "drawn", "--prompts", tmp_path / "spots.h5ad")
    asked = ("--clusters", tmp_path / "labels.npy", "--n-samples", n_samples)
    said = say("generate", job(study, "generate").name, *given, *asked)
    assert (said.code, told in said.err) == (2, True)


def test_a_job_that_does_not_draw_says_so(say: Say, study: Path, tmp_path: Path) -> None:
    given = ("--study", study, "--out", tmp_path, "--prompts", "x.npy")
    assert "draws nothing: its task is retrieve" in say("generate", job(study, "retrieve").name, *given).err
    assert "no finished job that draws" in say("generate", "nosuchjob", *given).err


def test_enhancing_is_drawn_on_tissue_and_by_markers(say: Say, study: Path) -> None:
    said = say("analyse", study, "--what", "enhancement", "--methods", "painter")
    assert said.code == 0, said.err
    name = f"painter-{job(study, 'enhance').name}-1"
    assert all(pixels(study / "analyses" / f"{part}-{name}.png").size for part in ("tissue", "violins"))
    rows = list(csv.DictReader((study / "analyses" / "enhancement.csv").read_text().splitlines()))
    assert {row["groups are"] for row in rows} == {"clusters of the raw counts"}
    assert all(float(row["raw"]) > 0.5 for row in rows)


def test_damaged_predictions_cost_only_their_job(say: Say, study: Path, tmp_path: Path) -> None:
    shutil.copytree(study / "jobs", tmp_path / "jobs")
    damaged = job(tmp_path, "enhance", "raw-counts") / "predictions.h5"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    said = say("analyse", tmp_path, "--what", "enhancement")
    assert said.code == 0, said.err
    assert f"job {damaged.parent.name} (raw-counts) is left out" in said.err
    rows = list(csv.DictReader((tmp_path / "analyses" / "enhancement.csv").read_text().splitlines()))
    assert "painter" in {row["method"] for row in rows}
    assert "raw-counts" not in {row["method"] for row in rows}


def test_no_two_slides_share_a_file() -> None:
    names = [file_name(slide) for slide in ("A1", "a/b", "a_b", "../x", "s" * 300, "s" * 301, "漢" * 300)]
    assert names[0] == "A1.h5ad"
    assert len(set(names)) == len(names)
    assert all("/" not in name and len(name.encode()) < 200 for name in names)


def test_jobs_are_exported_as_annotated_data(say: Say, study: Path, tmp_path: Path) -> None:
    said = say("export", "--study", study, "--out", tmp_path, "--methods", "painter")
    assert said.code == 0, said.err
    (enhanced,) = tmp_path.glob(f"painter-{job(study, 'enhance').name}/*.h5ad")
    table = anndata.read_h5ad(enhanced)
    assert table.layers["enhanced"].shape == table.shape
    assert table.obsm["painter"].shape == (table.n_obs, 4)
    (paired,) = tmp_path.glob(f"painter-{job(study, 'retrieve').name}/*.h5ad")
    assert set(anndata.read_h5ad(paired).obsm) == {"image", "expression", "spatial"}
