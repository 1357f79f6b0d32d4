"""What ``histobench prepare`` is given broken or by mistake: one sentence, nothing written, nothing lost."""

import json
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pytest
from PIL import Image

from histobench.cli import main

MATRIX = "filtered_feature_bc_matrix.h5"
SCALES = "scalefactors_json.json"
RING = [[0, 0], [0, 600], [600, 600], [600, 0], [0, 0]]


def files(folder: Path) -> dict[str, bytes]:
    """Every file under a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run ``histobench prepare``, which must end with one sentence, exit code 2 and all files as they were."""

    def run(*arguments: object) -> str:
        before = files(tmp_path)
        with pytest.raises(SystemExit) as end:
            main(["prepare", *map(str, arguments)])
        assert end.value.code == 2
        assert files(tmp_path) == before
        told = capsys.readouterr().err.strip().splitlines()
        return told[-1]

    return run


@pytest.fixture
def cut(visium: Any) -> list[object]:
    """Arguments that cut the standard sample's patches."""
    folders = ["--space-ranger-dir", visium.folder, "--wsi-file", visium.slide_path]
    return [*folders, "--patch-sz-um", 30, "--patch-sz-px", 16]


@contextmanager
def full_disk(n_bytes: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def replace(group: h5py.Group, name: str, values: Any) -> None:
    del group[name]
    group[name] = values


# Files of Space Ranger


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("features/feature_type", lambda old: old[:5], "61 names and 5 types"),
        ("features/feature_type", lambda old: np.append(old, old), "61 names and 122 types"),
        ("features/feature_type", lambda old: np.full(61, b"Antibody Capture"), "has 40 spots and 0 genes"),
        ("barcodes", lambda old: np.full(40, old[0]), "repeats"),
        ("data", lambda old: old * 1j, "counts are complex128"),
    ],
)
def test_a_matrix_that_contradicts_itself_is_told(
    refused: Any, tmp_path: Path, visium: Any, cut: list[object], name: str, change: Any, message: str
) -> None:
    with h5py.File(visium.folder / MATRIX, "r+") as file:
        replace(file["matrix"], name, change(file["matrix"][name][:]))
    assert message in refused("extract", *cut, "--out-dir", tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 100_000, "is not JSON"),
        (json.dumps({"spot_diameter_fullres": 10**400}), "must be a positive number"),
        (json.dumps({"spot_diameter_fullres": 5e6}), "would span 2.31e+06 pixels"),
        (json.dumps({"spot_diameter_fullres": 1e-300}), "is less than a pixel"),
    ],
)
def test_absurd_scales_are_told(
    refused: Any, tmp_path: Path, visium: Any, cut: list[object], content: str, message: str
) -> None:
    (visium.spatial / SCALES).write_text(content)
    assert message in refused("extract", *cut, "--out-dir", tmp_path / "out")


def test_text_that_begins_with_a_mark_is_read(tmp_path: Path, visium: Any, cut: list[object]) -> None:
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_bytes(b"Gene3\r\nGene1\r\n")
    for path in (vocabulary, visium.spatial / "tissue_positions.csv", visium.spatial / SCALES):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    options = ["--vocab-file", vocabulary, "--no-normalize", "--out-dir", tmp_path / "out"]
    with pytest.raises(SystemExit) as end:
        main(["prepare", "all", *map(str, [*cut, *options])])
    assert end.value.code == 0
    assert list(anndata.io.read_h5ad(tmp_path / "out" / "gex_filt.h5ad").var_names) == ["Gene3", "Gene1"]


@pytest.mark.parametrize(
    ("row", "message"),
    [(1e300, "must be whole numbers up to 100000"), (7.5, "must be whole numbers"), (99_999, "cannot be right")],
)
def test_bins_that_lie_nowhere_are_told(
    refused: Any, tmp_path: Path, hd: Any, rewrite_positions: Any, row: float, message: str
) -> None:
    frame = hd.frame.astype({"array_row": float, "array_col": float})
    frame.iloc[0, 2], frame.iloc[1, 3] = row, row
    rewrite_positions(hd.spatial, frame, "parquet")
    options = ["--wsi-file", hd.slide_path, "--is-hd", "--patch-sz-um", 11, "--out-dir", tmp_path / "out"]
    Image.new("RGB", (240, 240)).save(hd.slide_path)
    assert message in refused("extract", "--space-ranger-dir", hd.folder, *options)


@pytest.mark.parametrize(
    "option",
    [("--patch-sz-um", "nan"), ("--patch-sz-um", "inf"), ("--mpp", "nan"), ("--mpp", "1e-320"), ("--mpp", "inf")],
)
def test_absurd_resolutions_are_told(refused: Any, tmp_path: Path, cut: list[object], option: tuple[str, str]) -> None:
    assert "check both" in refused("extract", *cut, *option, "--out-dir", tmp_path / "out")


# Tables


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: setattr(table, "obs_names", ["a"] * 3), "spot 'a' repeats"),
        (lambda table: table.obsm.__setitem__("spatial", np.full((3, 2), "x")), "obsm['spatial'] holds no numbers"),
        (lambda table: setattr(table, "X", np.ones((3, 2)) * 1j), "has no counts: X is of type complex128"),
    ],
)
def test_tables_that_hold_something_else_are_told(
    refused: Any, tmp_path: Path, visium: Any, change: Any, message: str
) -> None:
    table = anndata.AnnData(X=np.ones((3, 2), dtype=np.float32), obsm={"spatial": np.ones((3, 2))})
    change(table)
    table.write_h5ad(tmp_path / "x.h5ad")
    options = ["--wsi-file", visium.slide_path, "--out-dir", tmp_path / "out"]
    assert message in refused("extract", "--spots", tmp_path / "x.h5ad", *options)


def test_a_table_without_spots_is_told(refused: Any, tmp_path: Path) -> None:
    anndata.AnnData(X=np.ones((0, 2), dtype=np.float32)).write_h5ad(tmp_path / "x.h5ad")
    assert "has 0 spots" in refused("vocabulary", tmp_path / "x.h5ad", "--out-file", tmp_path / "v.txt")


def test_genes_that_a_line_cannot_hold_are_told(refused: Any, tmp_path: Path) -> None:
    table = anndata.AnnData(X=np.ones((3, 2), dtype=np.float32))
    table.var_names = ["a", "b\nc"]
    table.write_h5ad(tmp_path / "x.h5ad")
    assert r"'b\nc' does not fit into one line" in refused(
        "vocabulary", tmp_path / "x.h5ad", "--out-file", tmp_path / "v.txt"
    )


def test_genes_are_missed_before_patches_are_cut(refused: Any, tmp_path: Path, cut: list[object]) -> None:
    (tmp_path / "vocab.txt").write_text("Gene1\nXist\n")
    options = ["--vocab-file", tmp_path / "vocab.txt", "--out-dir", tmp_path / "out", "--no-normalize"]
    assert "1 of the vocabulary's 2 genes were not measured: Xist" in refused("all", *cut, *options)


# Slides and contours


def test_a_slide_of_no_colour_is_told_before_patches_are_cut(
    refused: Any, tmp_path: Path, visium: Any, cut: list[object]
) -> None:
    visium.pixels[:] = 255
    visium.write_slide()
    (tmp_path / "vocab.txt").write_text("Gene1\n")
    options = ["--vocab-file", tmp_path / "vocab.txt", "--out-dir", tmp_path / "out"]
    assert "stains need at least" in refused("all", *cut, *options)


def test_a_pipe_is_not_waited_for(refused: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "he.png")
    said = refused("random", "--wsi-file", tmp_path / "he.png", "--out-file", tmp_path / "o.h5")
    assert "is not a file" in said


@pytest.mark.parametrize("keep", [4, 1000])
def test_a_beginning_of_a_tiff_is_told(refused: Any, tmp_path: Path, visium: Any, cut: list[object], keep: int) -> None:
    visium.slide_path.write_bytes(visium.slide_path.read_bytes()[:keep])
    assert "he_S1.tif" in refused("extract", *cut, "--out-dir", tmp_path / "out")


@pytest.mark.parametrize(("tag", "size"), [(322, 0), (282, 1)], ids=["tiles of no width", "half a resolution"])
def test_tags_that_say_nothing_are_told(
    refused: Any, tmp_path: Path, visium: Any, cut: list[object], tag: int, size: int
) -> None:
    content = bytearray(visium.slide_path.read_bytes())
    place = content.index(tag.to_bytes(2, "little"), 8)
    content[place + 2 : place + 12] = b"".join(n.to_bytes(b, "little") for n, b in ((4, 2), (1, 4), (size, 4)))
    visium.slide_path.write_bytes(content)
    said = refused("extract", *cut, "--use-wsi-res", "--out-dir", tmp_path / "out")
    assert "does not state its microns per pixel" in said if tag == 282 else "replace the file" in said


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ('{"type": "Polygon", "coordinates": []}', "has no polygon"),
        (
            json.dumps({"type": "Polygon", "coordinates": [[[0, 0], [float("nan"), 9], [9, 9], [0, 0]]]}),
            "not GeoJSON",
        ),
        (json.dumps({"type": "Polygon", "coordinates": [[[0, 0], [10**400, 9], [9, 9], [0, 0]]]}), "not GeoJSON"),
        ("[" * 100_000, "not GeoJSON"),
    ],
)
def test_contours_of_nothing_are_told(refused: Any, tmp_path: Path, visium: Any, shape: str, message: str) -> None:
    (tmp_path / "c.geojson").write_text(shape)
    options = ["--tissue-seg-file", tmp_path / "c.geojson", "--out-file", tmp_path / "r.h5"]
    assert message in refused("random", "--wsi-file", visium.slide_path, *options)


# Files that are written


@pytest.mark.parametrize("n_bytes", [0, 1000, 20_000, 40_000])
def test_a_full_disk_is_told_and_leaves_nothing(
    refused: Any, tmp_path: Path, visium: Any, cut: list[object], n_bytes: int
) -> None:
    del visium
    with full_disk(n_bytes):
        assert "File too large: " in refused("extract", *cut, "--out-dir", tmp_path / "out")


def test_a_full_disk_costs_no_earlier_patches(refused: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "imgs.h5", "w") as file:
        file["img"] = np.zeros((3, 8, 8, 3), dtype=np.uint8)
    dump = ["dump", "--images", tmp_path / "imgs.h5", "--out-dir", tmp_path / "png", "--no-normalize"]
    with pytest.raises(SystemExit):
        main(["prepare", *map(str, dump)])
    with full_disk(100):
        assert f"File too large: '{tmp_path / 'png'}'" in refused(*dump)


def test_nothing_that_is_read_is_overwritten(refused: Any, tmp_path: Path, visium: Any, cut: list[object]) -> None:
    contours = tmp_path / "c.geojson"
    contours.write_text(json.dumps({"type": "Polygon", "coordinates": [RING]}))
    (tmp_path / "link.h5").symlink_to(visium.folder / MATRIX)
    random = ["random", "--wsi-file", visium.slide_path, "--tissue-seg-file", contours, "--n-pts", 3]
    out = ["--out-dir", tmp_path / "out"]
    for command in (
        [*random, "--out-file", visium.slide_path],
        [*random, "--out-file", contours],
        ["extract", *cut, *out, "--coordinates", tmp_path / "link.h5"],
        ["extract", *cut, *out, "--coordinates", tmp_path / "out" / "imgs.h5"],
        ["vocabulary", tmp_path / "x.h5ad", "--out-file", tmp_path / "x.h5ad"],
        ["filter", "--raw-file", tmp_path / "x.h5ad", "--vocab-file", contours, "--out-file", contours],
    ):
        assert "would be overwritten" in refused(*command)


def test_a_folder_in_the_place_of_a_patch_is_not_deleted(refused: Any, tmp_path: Path, cut: list[object]) -> None:
    mine = tmp_path / "out" / "patches" / "patch_1.png" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("precious")
    (tmp_path / "vocab.txt").write_text("Gene1\n")
    options = ["--vocab-file", tmp_path / "vocab.txt", "--out-dir", tmp_path / "out", "--no-normalize"]
    assert "must be empty or hold patches only" in refused("all", *cut, *options)


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "imgs.h5", "w") as file:
        file["img"] = np.zeros((3, 8, 8, 3), dtype=np.uint8)
    (tmp_path / "real").mkdir()
    (tmp_path / "png").symlink_to(tmp_path / "real")
    options = ["--images", tmp_path / "imgs.h5", "--out-dir", tmp_path / "png", "--no-normalize"]
    for _ in range(2):
        with pytest.raises(SystemExit) as end:
            main(["prepare", "dump", *map(str, options)])
        assert end.value.code == 0
    assert (tmp_path / "png").is_symlink()
    assert len(list((tmp_path / "real").iterdir())) == 3
