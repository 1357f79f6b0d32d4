"""Own sections as a dataset: a laboratory's folder of Space Ranger's output, generated in its format, is studied."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from histobench import DataError, Slide
from histobench.cli import main
from histobench.testing import check_dataset
from histobench_datasets.catalogue import VISIUM, VISIUM_HD

GENES = (*(f"Gene{i}" for i in range(38)), "Silent", "Gene0")
MPP = 0.5
PITCH_PX = 100 / MPP  # Visium's spots are 100 µm apart
ROWS, COLUMNS = 6, 5
BINS = (24, 30)  # of 8 µm, 16 pixels each


class Laboratory:
    """Samples of Visium and Visium HD beside a ``slides.csv``."""

    def __init__(self, root: Path, write_matrix, write_positions) -> None:
        self.root, self.write_matrix, self.write_positions = root, write_matrix, write_positions
        self.lines = ["sample,patient,image,mpp"]
        root.mkdir()

    def add_visium(self, sample: str, *, patient: str, mpp: str = "", home: str = "outs") -> None:
        random = np.random.default_rng(sum(map(ord, sample)))
        row, column = np.divmod(np.arange(ROWS * COLUMNS), COLUMNS)
        array_column = 2 * column + row % 2
        xy_px = 120 + np.column_stack([array_column * PITCH_PX / 2, row * PITCH_PX * np.sqrt(3) / 2])
        dark = random.random(len(row))  # what is dark in the image has many molecules of half of the genes
        shares = np.where(np.arange(len(GENES)) % 2, dark[:, None], 1 - dark[:, None])
        counts = random.poisson(6 * shares)
        counts[:, GENES.index("Silent")] = 0
        barcodes = [f"{sample}-{number:02d}" for number in random.permutation(len(row))]
        frame = frame_of(barcodes, row, array_column, xy_px)
        self._write(self.root / sample / home, counts, barcodes, frame.sample(frac=1, random_state=0))
        self._write_scales(self.root / sample / home, spot_diameter_fullres=65 / MPP, tissue_hires_scalef=0.25)
        self._paint(sample, xy_px, dark)
        self.name(sample, patient=patient, mpp=mpp)

    def add_hd(self, sample: str, *, patient: str) -> None:
        random = np.random.default_rng(sum(map(ord, sample)))
        row, column = np.divmod(np.arange(BINS[0] * BINS[1]), BINS[1])
        xy_px = np.column_stack([20 + 16 * column, 20 + 16 * row]).astype(float)
        dark = random.random(len(row))
        counts = random.poisson(0.4 + 0.4 * np.outer(dark, np.arange(len(GENES)) % 2))
        barcodes = [f"s_008um_{r:05d}_{c:05d}-1" for r, c in zip(row, column, strict=True)]
        home = self.root / sample / "outs" / "binned_outputs" / "square_008um"
        self._write(home, counts, barcodes, frame_of(barcodes, row + 5, column + 3, xy_px), how="parquet")
        self._write_scales(home, bin_size_um=8.0, microns_per_pixel=MPP)
        self._paint(sample, xy_px, dark)
        self.name(sample, patient=patient)

    def name(self, sample: str, *, patient: str, image: str | None = None, mpp: str = "") -> None:
        self.lines.append(f"{sample},{patient},{sample}.png,{mpp}" if image is None else f"{sample},{patient},{image},")
        self.write_table(*self.lines)

    def write_table(self, *lines: str) -> None:
        (self.root / "slides.csv").write_text("\n".join((*lines, "")))

    def outs(self, sample: str) -> Path:
        return self.root / sample / "outs"

    def visium(self):
        return VISIUM.build(self.root)

    def hd(self):
        return VISIUM_HD.build(self.root)

    def _write(self, home: Path, counts, barcodes, frame: pd.DataFrame, how: str = "csv") -> None:
        (home / "spatial").mkdir(parents=True)
        self.write_matrix(home / "filtered_feature_bc_matrix.h5", counts, barcodes, GENES)
        self.write_positions(home / "spatial", frame, how)
        self.frame, self.counts, self.barcodes = frame, counts, barcodes

    def _write_scales(self, home: Path, **factors: float) -> None:
        (home / "spatial" / "scalefactors_json.json").write_text(json.dumps(factors))

    def _paint(self, sample: str, xy_px, dark) -> None:
        right, bottom = (xy_px.max(axis=0) + 130).astype(int)
        pixels = np.full((bottom, right, 3), 240, dtype=np.uint8)
        half = 60 if len(xy_px) < 100 else 8
        for (x, y), share in zip(xy_px.astype(int), dark, strict=True):
            pixels[y - half : y + half, x - half : x + half] = (220 - 120 * share, 120, 170 - 60 * share)
        Image.fromarray(pixels).save(self.root / f"{sample}.png", compress_level=1)


def frame_of(barcodes, row, column, xy_px) -> pd.DataFrame:
    names = ("barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres")
    return pd.DataFrame(dict(zip(names, (barcodes, 1, row, column, xy_px[:, 1], xy_px[:, 0]), strict=True)))


@pytest.fixture
def laboratory(tmp_path, rewrite_matrix, rewrite_positions):
    """Two patients' sections, one each."""
    made = Laboratory(tmp_path / "laboratory", rewrite_matrix, rewrite_positions)
    made.add_visium("one", patient="Ada")
    made.add_visium("two", patient="Bea")
    return made


@pytest.fixture
def hd(tmp_path, rewrite_matrix, rewrite_positions):
    """A section of Visium and two of Visium HD."""
    made = Laboratory(tmp_path / "mixed", rewrite_matrix, rewrite_positions)
    made.add_visium("one", patient="Ada")
    made.add_hd("wide", patient="Ada")
    made.add_hd("broad", patient="Bea")
    return made


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Run the command line; give its exit code and all that it said."""
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    return code, " ".join((said.out + said.err).split())


def table_of(dataset, sample: str):
    """Read a sample as the platform does."""
    slide = next(slide for slide in dataset.slides("gene_expression") if slide.id == sample)
    return dataset.table(slide, "gene_expression")


def notes_of(dataset, sample: str) -> tuple[str, ...]:
    return dataset.notes(table_of(dataset, sample).slide, "gene_expression")


def fingerprint_of(dataset, sample: str) -> str:
    return dataset.fingerprint(table_of(dataset, sample).slide, "gene_expression")


def test_the_contract_is_kept(laboratory):
    check_dataset(VISIUM, root=laboratory.root)


def test_the_contract_is_kept_on_hd(hd):
    check_dataset(VISIUM_HD, root=hd.root)


def test_spots_keep_their_counts_and_places(laboratory):
    table = table_of(laboratory.visium(), "two")
    frame = laboratory.frame.set_index("barcode").loc[list(laboratory.barcodes)]
    assert table.spot_ids == tuple(laboratory.barcodes)
    np.testing.assert_array_equal(table.array, frame[["array_col", "array_row"]])
    np.testing.assert_array_equal(table.xy_px, frame[["pxl_col_in_fullres", "pxl_row_in_fullres"]])
    read = dict(zip(table.counts.names, table.counts.values.T, strict=True))
    np.testing.assert_array_equal(read["Gene7"], laboratory.counts[:, 7])
    np.testing.assert_array_equal(read["Gene0-1"], laboratory.counts[:, 39])
    assert "Silent" not in read  # the platform reads a gene that is not there as zero


def test_microns_follow_from_the_lattice_whatever_the_diameter_says(laboratory):
    laboratory._write_scales(laboratory.outs("two"), spot_diameter_fullres=7.0)
    table = table_of(laboratory.visium(), "two")
    assert table.slide.mpp == pytest.approx(MPP)
    apart = np.linalg.norm(table.xy_um[:, None] - table.xy_um, axis=2)
    assert np.min(apart[apart > 0]) == pytest.approx(100)


def test_patients_are_those_of_the_table(laboratory):
    laboratory.write_table("patient,image,sample,operator", "Ada,one.png,one,me", '"her2st:B", two.png ,two,"us, all"')
    assert [slide.patient for slide in laboratory.visium().slides("gene_expression")] == ["visium:Ada", "her2st:B"]


def test_a_spot_without_molecules_is_left_out_and_noted(laboratory):
    counts = laboratory.counts.copy()
    counts[3] = 0
    laboratory.write_matrix(
        laboratory.outs("two") / "filtered_feature_bc_matrix.h5", counts, laboratory.barcodes, GENES
    )
    assert laboratory.barcodes[3] not in table_of(laboratory.visium(), "two").spot_ids
    assert notes_of(laboratory.visium(), "two") == ("slide 'two': 1 of 30 spots are left out: they have no counts.",)


def test_without_an_image_the_kept_picture_is_read(laboratory):
    with Image.open(laboratory.root / "two.png") as whole:
        whole.reduce(4).save(laboratory.outs("two") / "spatial" / "tissue_hires_image.png")
    laboratory.write_table("sample,patient,image", "one,Ada,one.png", "two,Bea,")
    dataset = laboratory.visium()
    whole, table = table_of(dataset, "one"), table_of(dataset, "two")
    assert table.slide.mpp == pytest.approx(4 * MPP)
    np.testing.assert_allclose(np.ptp(table.xy_um, axis=0), np.ptp(whole.xy_um, axis=0))
    assert dataset.image(table.slide).read().shape[1] >= table.xy_px[:, 0].max()
    assert "'slides.csv' names no image" in notes_of(dataset, "two")[0]
    assert "2 µm per pixel" in notes_of(dataset, "two")[0]


# Visium HD


def test_bins_are_added_up_side_by_side(hd):
    table = table_of(hd.hd(), "broad")
    of_bin = dict(zip(hd.barcodes, hd.counts, strict=True))
    place = {name: (row, column) for name, row, column in hd.frame[["barcode", "array_row", "array_col"]].to_numpy()}
    assert len(table.spot_ids) == (BINS[0] // 7) * (BINS[1] // 7)
    members = [
        [name for name, at in place.items() if max(abs(at[0] - place[spot][0]), abs(at[1] - place[spot][1])) <= 3]
        for spot in table.spot_ids
    ]
    assert len({name for window in members for name in window}) == 49 * len(members)  # none shares a bin
    expected = [sum(of_bin[name][7] for name in window) for window in members]
    np.testing.assert_array_equal(table.counts.values[:, table.counts.names.index("Gene7")], expected)


def test_each_dataset_reads_its_own_of_a_mixed_folder(hd):
    assert [slide.id for slide in hd.visium().slides("gene_expression")] == ["one"]
    assert [slide.id for slide in hd.hd().slides("gene_expression")] == ["wide", "broad"]
    assert hd.visium().left_out("gene_expression")["wide"] == "it is Visium HD: --datasets visium-hd reads it"
    assert hd.hd().left_out("gene_expression") == {"one": "it is standard Visium: --datasets visium reads it"}


# What decides a result


def test_the_fingerprint_is_of_all_that_is_read(laboratory):
    before = {sample: fingerprint_of(laboratory.visium(), sample) for sample in ("one", "two")}
    laboratory.write_matrix(
        laboratory.outs("two") / "filtered_feature_bc_matrix.h5", laboratory.counts + 1, laboratory.barcodes, GENES
    )
    counted = fingerprint_of(laboratory.visium(), "two")
    Image.new("RGB", (2000, 2000)).save(laboratory.root / "two.png")
    painted = fingerprint_of(laboratory.visium(), "two")
    laboratory.write_table("sample,patient,image,mpp", "one,Ada,one.png,", "two,Bea,two.png,0.51")
    scaled = fingerprint_of(laboratory.visium(), "two")
    assert len({before["two"], counted, painted, scaled}) == 4
    assert fingerprint_of(laboratory.visium(), "one") == before["one"]


# Studies


def test_a_laboratory_studies_its_own_sections(laboratory, tmp_path, capsys):
    asked = ("--datasets", "visium", "--data-root", laboratory.root, "--preset", "quick", "--out", tmp_path / "out")
    how = ("--encoders", "colour-stats", "--folds", "visium:Bea", "--set", "gist.epochs=2")
    code, said = run(capsys, "run", "--no-tracking", "--methods", "ridge,gist", *how, *asked)
    assert code == 0, said
    records = [json.loads(path.read_text()) for path in (tmp_path / "out" / "jobs").glob("*/record.json")]
    done = {(record["job"]["method"], record["job"]["kind"]): record for record in records}
    assert done["gist", "enhance"]["job"]["patients"] == {"one": "visium:Ada", "two": "visium:Bea"}
    assert np.mean(done["ridge", "gene_expression"]["scores"]["pearson"]["per_slide"]["two"]) > 0.3


def test_a_damaged_sample_costs_only_itself(laboratory, tmp_path, capsys):
    laboratory.add_visium("three", patient="Cleo")
    matrix = laboratory.outs("three") / "filtered_feature_bc_matrix.h5"
    matrix.write_bytes(matrix.read_bytes()[:3000])
    laboratory.name("four", patient="Dora")
    asked = ("--datasets", "visium", "--data-root", laboratory.root, "--out", tmp_path / "out", "--methods", "mean")
    code, said = run(capsys, "run", "--no-tracking", *asked)
    assert code == 2
    assert "filtered_feature_bc_matrix.h5' is not a readable 10x matrix" in said
    assert "sample '" in said
    assert "'slides.csv', line 5): the folder does not exist" in said
    assert "done: mean, visium gene_expression, fold visium:Bea" in said


def test_a_forgotten_folder_is_named(laboratory):
    laboratory.write_table("sample,patient,image", "one,Ada,one.png")
    assert laboratory.visium().left_out("gene_expression") == {"two": "'slides.csv' does not list it"}


# Mistakes


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["sample,image", "one,one.png"], "has no column 'patient'; its first line must name sample, patient, image"),
        (["sample;patient;image", "one;Ada;one.png"], "has no column 'sample'.*separated by commas"),
        (["sample,patient,image"], "has no samples"),
        (["sample,patient,image", "one,,one.png"], "line 2: sample 'one' has no patient"),
        (["sample,patient,image", "one,Ada,one.png", "one,Bea,one.png"], "lines 2 and 3: sample 'one' repeats"),
        (["sample,patient,image", "one/outs,Ada,one.png"], "line 2: 'sample' must name a folder next to slides.csv"),
        (["sample,patient,image,mpp", "one,Ada,one.png,fine"], "line 2: 'mpp' must be microns per pixel.*'fine'"),
        (["sample,patient,image", "one,Ada,one,two.png"], "line 2 has more fields than the first line"),
        (['sample,patient,image', 'one,"Ada'], "is not a comma-separated table"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_table_is_told_with_its_line(laboratory, lines, message):
    laboratory.write_table(*lines)
    with pytest.raises(DataError, match=message):
        laboratory.visium()


def test_without_a_table_it_says_what_one_is(tmp_path):
    with pytest.raises(DataError, match=r"visium was not found: no 'slides.csv' in .*columns sample, patient, image"):
        VISIUM.build(tmp_path)


def test_a_resolution_that_the_spots_contradict_is_told(laboratory):
    laboratory.write_table("sample,patient,image,mpp", "one,Ada,one.png,0.25")
    slide = laboratory.visium().slides("gene_expression")[0]
    with pytest.raises(DataError, match=r"line 2: 'mpp' of sample 'one' is 0.25, but its spots imply 0.5 µm"):
        laboratory.visium().table(slide, "gene_expression")


def test_an_image_that_is_too_small_is_told(laboratory):
    Image.new("RGB", (500, 500)).save(laboratory.root / "one.png")
    dataset = laboratory.visium()
    with pytest.raises(DataError, match=r"of 30 spots of slide 'one' are outside image '.*one.png' of 500 x 500"):
        dataset.image(dataset.slides("gene_expression")[0])


def test_a_missing_image_is_told(laboratory):
    (laboratory.root / "one.png").unlink()
    dataset = laboratory.visium()
    with pytest.raises(DataError, match=r"there is no image '.*one.png'"):
        dataset.image(dataset.slides("gene_expression")[0])


def test_normalised_counts_are_refused(laboratory):
    matrix = laboratory.outs("two") / "filtered_feature_bc_matrix.h5"
    laboratory.write_matrix(matrix, laboratory.counts / 2, laboratory.barcodes, GENES)
    with pytest.raises(DataError, match="numbers that are not whole: raw counts are needed"):
        table_of(laboratory.visium(), "two")


def test_spots_on_one_place_are_refused(laboratory):
    frame = laboratory.frame.copy()
    frame.iloc[1, 2:4] = frame.iloc[0, 2:4]
    laboratory.write_positions(laboratory.outs("two") / "spatial", frame)
    with pytest.raises(DataError, match="two spots share a place"):
        table_of(laboratory.visium(), "two")


def test_another_target_or_slide_is_refused(laboratory):
    dataset = laboratory.visium()
    with pytest.raises(DataError, match="visium has no target 'label'; it has gene_expression"):
        dataset.slides("label")
    with pytest.raises(DataError, match="has no sample 'B1'; it has one, two"):
        dataset.table(Slide(id="B1", patient="her2st:B"), "gene_expression")
