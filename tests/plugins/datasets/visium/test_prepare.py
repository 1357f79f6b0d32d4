"""The command ``histobench prepare``: a sample's patches and counts end in the same order, or nothing is written."""

import json
import sys

import anndata
import click
import h5py
import numpy as np
import pytest
import shapely
import shapely.geometry
from click.testing import CliRunner
from PIL import Image

from histobench.cli import main
from histobench_datasets import register_commands
from histobench_datasets.visium.cli import prepare


def run(*arguments: object) -> str:
    """Run ``histobench prepare`` and give what it printed."""
    result = CliRunner().invoke(prepare, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run the whole command line, which must end with exit code 2, and give its one sentence."""
    with pytest.raises(SystemExit) as end:
        main(["prepare", *map(str, arguments)])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return " ".join(said.split())


def colours(folder) -> list[int]:
    """The least red of each picture, in the folder's alphabetical order: 100 + the spot's number."""
    return [int(np.asarray(Image.open(path))[..., 0].min()) for path in sorted(folder.iterdir())]


@pytest.fixture
def cut(visium):
    """Arguments that cut the standard sample's patches."""
    return [
        "--space-ranger-dir",
        visium.folder,
        "--wsi-file",
        visium.slide_path,
        "--patch-sz-um",
        30,
        "--patch-sz-px",
        16,
    ]


@pytest.fixture
def vocabulary(tmp_path):
    """Fifty of the sample's genes, shuffled."""
    genes = np.random.default_rng(2).permutation([f"Gene{i}" for i in range(59)])[:50]
    (tmp_path / "vocab.txt").write_text("".join(f"{gene}\n" for gene in genes))
    return tmp_path / "vocab.txt"


def test_the_command_is_registered():
    group = click.Group()
    register_commands(group)
    assert list(group.commands) == ["prepare"]


def test_all_of_a_sample_ends_in_one_order(tmp_path, visium, cut, vocabulary):
    out = tmp_path / "out"
    printed = run("all", *cut, "--vocab-file", vocabulary, "--out-dir", out, "--no-normalize")
    counts = anndata.io.read_h5ad(out / "gex_filt.h5ad")
    genes = vocabulary.read_text().split()
    assert list(counts.obs_names) == visium.barcodes
    assert list(counts.var_names) == genes
    columns = [visium.genes.index(gene) for gene in genes]
    np.testing.assert_array_equal(counts.X.toarray(), visium.counts[:, columns])
    assert colours(out / "patches") == [100 + number for number in visium.numbers]
    with h5py.File(out / "imgs.h5") as file:
        assert list(file["barcode"].asstr()) == visium.barcodes
        assert file["img"].shape == (40, 16, 16, 3)
    assert "cut from 60 of the slide at 0.5 µm per pixel" in printed
    assert sorted(path.name for path in out.iterdir()) == ["gex.h5ad", "gex_filt.h5ad", "imgs.h5", "patches"]


def test_old_positions_give_the_same_patches(tmp_path, visium, cut, rewrite_positions):
    run("extract", *cut, "--out-dir", tmp_path / "new")
    rewrite_positions(visium.spatial, visium.frame, "list")
    run("extract", *cut, "--out-dir", tmp_path / "old")
    with h5py.File(tmp_path / "new" / "imgs.h5") as new, h5py.File(tmp_path / "old" / "imgs.h5") as old:
        np.testing.assert_array_equal(new["img"][:], old["img"][:])


def test_background_drops_spots_and_their_counts(tmp_path, visium, cut):
    # spots are (100 + n, 60, 200 - n): a mean of 120; three are painted over with glass
    glass = [visium.barcodes[row] for row in (4, 11, 30)]
    for row in (4, 11, 30):
        x, y = visium.centres[row].astype(int)
        visium.pixels[y - 34 : y + 34, x - 34 : x + 34] = 245
    visium.write_slide()
    printed = run("extract", *cut, "--out-dir", tmp_path / "out", "--background", 200)
    counts = anndata.io.read_h5ad(tmp_path / "out" / "gex.h5ad")
    kept = [row for row, name in enumerate(visium.barcodes) if name not in glass]
    assert "37 patches" in printed
    assert "3 dropped as glass" in printed
    assert list(counts.obs_names) == [visium.barcodes[row] for row in kept]
    np.testing.assert_array_equal(counts.X.toarray(), visium.counts[kept])


@pytest.mark.parametrize(
    ("options", "slide_px"),
    [([], 60), (["--spot-diameter-um", 55], 70), (["--use-wsi-res"], 60), (["--mpp", 1], 30)],
    ids=["space ranger", "published spot", "slide", "given"],
)
def test_resolution_is_taken_from_where_it_is_asked(tmp_path, cut, options, slide_px):
    assert f"cut from {slide_px} of the slide" in run("extract", *cut, "--out-dir", tmp_path / "out", *options)


def test_hd_sums_bins_and_keeps_their_order(tmp_path, hd):
    ramp = np.zeros((240, 240, 3), dtype=np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(240), np.arange(240)[:, None]
    Image.fromarray(ramp).save(hd.slide_path)
    places = tmp_path / "places.h5"
    run(
        *("extract", "--space-ranger-dir", hd.folder, "--wsi-file", hd.slide_path, "--is-hd", "--stride", 3),
        *("--patch-sz-um", 11, "--patch-sz-px", 22, "--out-dir", tmp_path / "out", "--coordinates", places),
    )
    counts = anndata.io.read_h5ad(tmp_path / "out" / "gex.h5ad")
    row_of = {name: row for row, name in enumerate(hd.barcodes)}
    with h5py.File(places) as file, h5py.File(tmp_path / "out" / "imgs.h5") as images:
        members = np.array([[row_of[name.decode()] for name in row] for row in file["bins"][:]])
        assert list(images["barcode"].asstr()) == list(file["barcode"].asstr()) == list(counts.obs_names)
        # the patch's first pixel shows its own place on the slide
        np.testing.assert_array_equal(images["img"][:, 0, 0, :2], np.maximum(file["xy"][:], 0))
    np.testing.assert_array_equal(counts.X.toarray(), hd.counts[members].sum(axis=1))


def test_places_of_an_earlier_run_give_its_patches(tmp_path, visium, cut):
    run("extract", *cut, "--out-dir", tmp_path / "first", "--coordinates", tmp_path / "places.h5")
    again = [
        "--spots",
        tmp_path / "places.h5",
        "--wsi-file",
        visium.slide_path,
        "--patch-sz-um",
        30,
        "--patch-sz-px",
        16,
    ]
    run("extract", *again, "--out-dir", tmp_path / "second")
    with h5py.File(tmp_path / "first" / "imgs.h5") as first, h5py.File(tmp_path / "second" / "imgs.h5") as second:
        np.testing.assert_array_equal(first["img"][:], second["img"][:])
    assert not (tmp_path / "second" / "gex.h5ad").exists()


def test_anndata_with_centres_is_taken_for_space_ranger(tmp_path, visium):
    table = anndata.AnnData(X=visium.counts.astype(np.float32))
    table.obsm["spatial"] = visium.centres
    table.write_h5ad(tmp_path / "x.h5ad")
    options = ["--wsi-file", visium.slide_path, "--patch-sz-um", 30, "--patch-sz-px", 16, "--out-dir", tmp_path / "out"]
    run("extract", "--spots", tmp_path / "x.h5ad", *options)
    run("dump", "--images", tmp_path / "out" / "imgs.h5", "--out-dir", tmp_path / "png", "--no-normalize")
    assert colours(tmp_path / "png") == [100 + number for number in visium.numbers]


def test_samples_are_dumped_by_id_in_the_slides_stain(tmp_path, visium, cut):
    random = np.random.default_rng(0)
    amounts = random.gamma(2.0, 0.35, (600, 600, 2))
    visium.pixels = np.clip(240 * np.exp(-amounts @ [[0.75, 0.58, 0.32], [0.36, 0.81, 0.46]]), 1, 255).astype(np.uint8)
    visium.write_slide()
    run("extract", *cut, "--out-dir", tmp_path / "S1")
    run("dump", "--ids", "S1", "--root-dir", tmp_path, "--wsi-dir", tmp_path, "--out-dir", tmp_path / "png")
    shown = np.asarray(Image.open(tmp_path / "png" / "S1" / "patch_00.png")).astype(float)
    with h5py.File(tmp_path / "S1" / "imgs.h5") as file:
        raw = file["img"][0].astype(float)
    # this slide's haematoxylin is redder than the reference's: more red light passes after normalising
    assert (shown - raw)[..., 0].mean() > 5


def test_vocabulary_is_made_of_samples(tmp_path, cut):
    run("extract", *cut, "--out-dir", tmp_path / "out")
    printed = run("vocabulary", tmp_path / "out" / "gex.h5ad", "--out-file", tmp_path / "made.txt")
    assert printed.endswith("60 genes of 1 samples\n")
    assert len((tmp_path / "made.txt").read_text().splitlines()) == 60


def test_missing_genes_and_numbers_that_are_no_counts_are_warned_of(tmp_path):
    values = np.full((3, 2), 0.5, dtype=np.float32)
    anndata.AnnData(X=values, var={"g": ["a", "b"]}).write_h5ad(tmp_path / "x.h5ad")
    (tmp_path / "vocab.txt").write_text("1\nXist\n")
    printed = run(
        "filter", "--raw-file", tmp_path / "x.h5ad", "--vocab-file", tmp_path / "vocab.txt", "--missing", "zero"
    )
    assert "warning: 1 genes (50.0%) were not measured and are set to zero" in printed
    assert "holds numbers that are not whole" in printed
    assert (tmp_path / "x_filt.h5ad").exists()


@pytest.mark.parametrize("contours", [True, False], ids=["contours", "by colour"])
def test_random_patches_show_tissue(tmp_path, blobs, contours):
    Image.fromarray(np.vstack([blobs.read(0, 0, 1200)[:900]])).save(tmp_path / "he.png")
    shape = shapely.Point(950, 500).buffer(170)
    (tmp_path / "c.geojson").write_text(json.dumps(shapely.geometry.mapping(shape)))
    given = ["--tissue-seg-file", tmp_path / "c.geojson"] if contours else []
    options = [
        "--n-pts",
        30,
        "--patch-sz-um",
        20,
        "--patch-sz-px",
        16,
        "--mpp",
        0.5,
        "--out-file",
        tmp_path / "random.h5",
    ]
    run("random", "--wsi-file", tmp_path / "he.png", *given, *options)
    with h5py.File(tmp_path / "random.h5") as file:
        assert list(file) == ["img"]
        assert file["img"].shape == (30, 16, 16, 3)
        tissue = (file["img"][:] == [200, 120, 170]).all(axis=3).mean(axis=(1, 2))
    assert tissue.min() > 0.8


# Refusals


def test_truncated_matrix_leaves_nothing(tmp_path, capsys, visium, cut):
    path = visium.folder / "filtered_feature_bc_matrix.h5"
    path.write_bytes(path.read_bytes()[:3000])
    assert "is not a readable 10x matrix" in refused(capsys, "extract", *cut, "--out-dir", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damaged_slide_leaves_nothing(tmp_path, capsys, visium, cut):
    content = bytearray(visium.slide_path.read_bytes())
    visium.slide_path.write_bytes(content[:400_000])
    said = refused(capsys, "extract", *cut, "--out-dir", tmp_path / "out")
    assert "he_S1.tif" in said
    assert not list(tmp_path.glob("out/*"))


def test_polygon_outside_the_image_leaves_nothing(tmp_path, capsys, visium):
    far = shapely.geometry.mapping(shapely.box(5000, 5000, 6000, 6000))
    (tmp_path / "c.geojson").write_text(json.dumps(far))
    options = ["--tissue-seg-file", tmp_path / "c.geojson", "--out-file", tmp_path / "random.h5", "--n-pts", 3]
    said = refused(capsys, "random", "--wsi-file", visium.slide_path, *options)
    assert "outside" in said
    assert "full-resolution pixels of this slide" in said
    assert not (tmp_path / "random.h5").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["extract", "--wsi-file", "x", "--out-dir", "o"], "give either --space-ranger-dir or --spots"),
        (
            ["extract", "--space-ranger-dir", "x", "--spots", "y", "--wsi-file", "x", "--out-dir", "o"],
            "give either --space-ranger-dir or --spots",
        ),
        (
            ["extract", "--spots", "x", "--is-hd", "--wsi-file", "x", "--out-dir", "o"],
            "--is-hd applies to --space-ranger-dir only",
        ),
        (["all", "--spots", "x.h5", "--wsi-file", "x", "--vocab-file", "v", "--out-dir", "o"], "cannot be filtered"),
        (["dump", "--out-dir", "o"], "give --images, or --ids and --root-dir"),
        (["dump", "--images", "x.h5", "--ids", "a", "--out-dir", "o"], "give one or the other"),
        (["dump", "--images", "x.h5", "--out-dir", "o"], "normalisation needs the slide: give --wsi-file"),
        (
            ["dump", "--ids", "a,a", "--root-dir", "x", "--wsi-dir", "x", "--out-dir", "o"],
            "unique sample names",
        ),
        (
            ["dump", "--ids", "a", "--root-dir", "x", "--wsi-dir", "x", "--out-dir", "o"],
            "the folder of slides 'x' does not exist",
        ),
        (["random", "--wsi-file", "nothing.png", "--out-file", "o.h5"], "there is no image 'nothing.png'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *arguments)
    assert not list(tmp_path.iterdir())


def test_slide_without_resolution_is_told(tmp_path, capsys):
    Image.new("RGB", (50, 50)).save(tmp_path / "he.png")
    said = refused(capsys, "random", "--wsi-file", tmp_path / "he.png", "--out-file", tmp_path / "o.h5")
    assert "does not state its microns per pixel: give them with --mpp." in said


def test_slide_of_a_sample_must_be_the_only_one(tmp_path, capsys):
    for name in ("he_S1.tif", "ihc_S1.tif"):
        (tmp_path / name).touch()
    said = refused(
        capsys, "dump", "--ids", "S1", "--root-dir", tmp_path, "--wsi-dir", tmp_path, "--out-dir", tmp_path / "o"
    )
    assert "must hold one slide whose name ends in 'S1', found he_S1.tif, ihc_S1.tif." in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        ({"barcode": ["a"]}, "is not a readable file of coordinates"),
        ({"barcode": ["a"], "xy": [[1, 2], [3, 4]]}, "'xy' must be (1, 2) finite pixels, found (2, 2)"),
    ],
)
def test_damaged_places_are_told(tmp_path, capsys, visium, content, message):
    if content is not None:
        with h5py.File(tmp_path / "places.h5", "w") as file:
            for name, values in content.items():
                file[name] = values
    options = ["--wsi-file", visium.slide_path, "--out-dir", tmp_path / "out"]
    assert message in refused(capsys, "extract", "--spots", tmp_path / "places.h5", *options)


def test_places_are_written_as_h5(tmp_path, capsys, cut):
    said = refused(capsys, "extract", *cut, "--out-dir", tmp_path / "out", "--coordinates", tmp_path / "places.csv")
    assert "the file of coordinates must end in .h5, got" in said
    assert not list(tmp_path.glob("out/*"))


def test_counts_of_an_earlier_run_are_not_mixed_with_other_patches(tmp_path, capsys, visium, cut):
    run("extract", *cut, "--out-dir", tmp_path / "out", "--coordinates", tmp_path / "places.h5")
    again = ["--spots", tmp_path / "places.h5", "--wsi-file", visium.slide_path, "--out-dir", tmp_path / "out"]
    assert "holds counts ('gex.h5ad')" in refused(capsys, "extract", *again)


def test_missing_shapely_is_reported_with_its_remedy(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.partition(".")[0] == "shapely"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "shapely", None)
    monkeypatch.delitem(sys.modules, "histobench_datasets.visium.tissue", raising=False)
    message = refused(capsys, "random", "--wsi-file", "x", "--out-file", "o")
    assert "this needs shapely: pip install 'histobench[prepare]'." in message
