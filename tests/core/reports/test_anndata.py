"""A job as AnnData files: whole or not there, whatever a slide is called."""

import resource
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anndata
import numpy as np
import pytest

from histobench.data import Prediction, SlideResult, Targets
from histobench.errors import StoreError
from histobench.reports.anndata import export_slide, file_name

JOB: Any = SimpleNamespace(kind="enhance", method="gist", dataset="toy", fold="1")


def result(spots: int = 40) -> SlideResult:
    values = np.random.default_rng(0).normal(size=(spots, 3)).astype(np.float32)
    return SlideResult(
        slide_id="s",
        spot_ids=np.arange(spots).astype(str),
        xy_um=np.zeros((spots, 2)),
        predicted=Prediction(names=("a", "b", "c"), values=values, latent=values[:, :2]),
        observed=Targets(kind="enhance", names=("a", "b", "c"), values=values + 1),
        regions=np.array(["x", "y"] * (spots // 2)),
    )


def test_a_job_comes_back(tmp_path: Path) -> None:
    export_slide(result(), JOB, tmp_path / "s.h5ad")
    table = anndata.io.read_h5ad(tmp_path / "s.h5ad")
    np.testing.assert_allclose(table.X, table.layers["enhanced"] + 1)
    assert table.obsm["gist"].shape == (40, 2)
    assert table.obs["annotation"].tolist() == ["x", "y"] * 20
    assert table.uns["histobench"]["slide"] == "s"


@pytest.mark.parametrize("n_bytes", [0, 1000, 8000, 20_000])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, n_bytes: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, most))
    try:
        with pytest.raises(StoreError, match="is full; free some space"):
            export_slide(result(), JOB, tmp_path / "s.h5ad")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["../../x", "a/b", "..", "", "-rf\n", "<script>", "日本語" * 90, "日本語"])
def test_every_slide_is_a_file_in_its_folder(tmp_path: Path, name: str) -> None:
    path = tmp_path / "out" / file_name(name)
    export_slide(result(2), JOB, path)
    assert path.parent == tmp_path / "out"
    assert [at.name for at in tmp_path.rglob("*.h5ad")] == [path.name]


def test_what_the_study_has_not_is_named(say: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    said = say("export", "--study", tmp_path, "--out", tmp_path / "x", "--methods", "gisst")
    assert said.code == 2
    assert "no method in this study named 'gisst'" in said.err
    said = say("export", "--study", tmp_path, "--out", tmp_path / "x", "--target", "enhanc")
    assert "no target in this study named 'enhanc'" in said.err
