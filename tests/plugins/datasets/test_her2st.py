"""Read her2st: a small tree in its format, and the real release where it is at hand."""

from dataclasses import replace

import numpy as np
import pytest

from histobench import DataError, Slide, leave_one_patient_out
from histobench.data.splits import make_folds
from histobench_datasets.her2st.dataset import TARGETS, Her2st
from histobench_datasets.her2st.files import LABELS
from histobench_datasets.her2st.layout import CUCA_4FOLD, PATIENTS, SLIDES, find_root

MINOR = "cell_abundance:minor"


# What is read


@pytest.mark.parametrize("target", TARGETS[:4])
def test_slides_with_all_files_are_listed(her2st, target):
    assert [slide.id for slide in her2st.slides(target)] == ["A1", "B1", "B2"]


def test_only_labelled_slides_are_listed_for_labels(her2st):
    assert [slide.id for slide in her2st.slides("label")] == ["B1"]


def test_every_slide_is_listed_or_left_out_with_a_reason(her2st):
    left_out = her2st.left_out(MINOR)
    assert {*left_out, *(slide.id for slide in her2st.slides(MINOR))} == set(SLIDES)
    assert len(SLIDES) == 36
    assert left_out["C6"].startswith("no counts and no selection of spots and no image found; ")


def test_patients_of_stnet_keep_their_name():
    assert (PATIENTS["A1"], PATIENTS["D6"]) == ("her2st:A", "her2st:D")
    assert [PATIENTS[f"{letter}1"] for letter in "EFGH"] == [
        "stnet:23567", "stnet:23810", "stnet:23903", "stnet:24044",
    ]  # fmt: skip


def test_spots_are_sorted_by_row_then_column(her2st, b1, spots):
    table = her2st.table(b1, MINOR)
    assert table.spot_ids == spots
    np.testing.assert_array_equal(table.array[:3], [[2, 3], [3, 3], [4, 3]])


def test_resolution_follows_from_the_lattice(her2st, b1):
    table = her2st.table(b1, MINOR)
    assert b1.mpp == pytest.approx(200 / 40)
    assert table.slide == b1
    np.testing.assert_allclose(table.xy_px[0], [80.5, 120.25])
    np.testing.assert_allclose(table.xy_um[0], [402.5, 601.25])


def test_proportions_are_read_by_name_without_stray_spaces(her2st, b1):
    targets = her2st.table(b1, MINOR).targets
    assert targets.kind == "cell_abundance"
    assert targets.names == ("B-cells", "NK cells", "Cancer Epithelial")
    np.testing.assert_allclose(targets.values[0], [0.25, 0.25, 0.5])


@pytest.mark.parametrize("target", [MINOR, "gene_expression", "label"])
def test_counts_come_with_every_target(her2st, b1, target):
    assert her2st.table(b1, target).counts.names == ("ERBB2", "CD3E", "COL1A1", "ADIPOQ")


def test_gene_expression_is_left_to_the_panel(her2st, b1):
    assert her2st.table(b1, "gene_expression").targets is None


def test_labels_are_one_hot_and_undetermined_spots_dropped(her2st, b1):
    table = her2st.table(b1, "label")
    assert table.targets.names == LABELS
    assert table.spot_ids[:3] == ("2x3", "3x3", "5x3")
    named = [LABELS[column] for column in table.targets.values.argmax(axis=1)[:3]]
    assert named == ["invasive cancer", "connective tissue", "invasive cancer"]
    np.testing.assert_array_equal(table.targets.values.sum(axis=1), 1)
    assert her2st.notes(b1, "label")[:2] == (
        "slide 'B1': 10 spots are left out: the pathologist left them undetermined.",
        "slide 'B1': 1 labels are left out: they have no position.",
    )


def test_nothing_dropped_nothing_noted(her2st, b1):
    assert her2st.notes(b1, MINOR) == ()


def test_deselected_spots_are_dropped_and_noted(release, spots):
    release.write_selection("B1", deselected=spots[:2])
    her2st = Her2st(release.root, blobs={})
    slide = her2st.slides(MINOR)[1]
    assert her2st.table(slide, MINOR).spot_ids == spots[2:]
    assert her2st.notes(slide, MINOR) == (
        "slide 'B1': 2 of 30 spots of the counts are left out: other tables lack them.",
        "slide 'B1': 2 of 30 spots of the proportions are left out: other tables lack them.",
    )


def test_a_spot_without_counts_is_dropped_and_noted(release, spots):
    counts = np.ones((30, 4), dtype=int)
    counts[4] = 0
    release.write_counts("B1", counts)
    her2st = Her2st(release.root, blobs={})
    slide = her2st.slides(MINOR)[1]
    assert spots[4] not in her2st.table(slide, MINOR).spot_ids
    assert her2st.notes(slide, MINOR) == ("slide 'B1': 1 of 30 spots are left out: they have no counts.",)


def test_fingerprint_follows_the_content_of_each_file(release, her2st, b1):
    before = {target: her2st.fingerprint(b1, target) for target in TARGETS}
    assert len(set(before.values())) == 3  # the tiers are alike in this tree
    release.edit(release.labels("B1"), "connective tissue", "adipose tissue")
    after = {target: her2st.fingerprint(b1, target) for target in TARGETS}
    assert [target for target in TARGETS if after[target] != before[target]] == ["label"]
    release.edit(release.counts("B1"), "ERBB2", "MYC")
    assert all(her2st.fingerprint(b1, target) != after[target] for target in TARGETS)


def test_a_changed_file_is_read_anew(release, her2st, b1):
    her2st.table(b1, "gene_expression")
    release.write_counts("B1", np.full((30, 4), 1234))
    assert her2st.table(b1, "gene_expression").counts.values.max() == 1234


# Where it lies


def test_the_folder_above_is_accepted(release):
    assert find_root(release.root.parent) == release.root


def test_the_environment_names_the_folder(release, monkeypatch):
    monkeypatch.setenv("HISTOBENCH_DATA", str(release.root.parent))
    assert find_root(None) == release.root


def test_without_data_the_error_says_where_and_how(tmp_path):
    with pytest.raises(DataError, match=r"no folder 'data/ST-cnts' in .*nowhere.*histobench data download"):
        Her2st(tmp_path / "nowhere")


def test_without_anything_given_the_cache_is_searched(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"histobench/data/her2st"):
        Her2st()


# What is not there


def test_a_slide_without_image_is_left_out(release):
    release.image("B2").unlink()
    her2st = Her2st(release.root, blobs={})
    assert "B2" not in [slide.id for slide in her2st.slides(MINOR)]
    assert her2st.left_out(MINOR)["B2"] == "no image found; `histobench data download her2st` fetches it"


def test_a_slide_missing_in_the_archive_is_left_out(release, make_proportions):
    release.write_proportions("minor", {"A1": make_proportions(), "B1": make_proportions()})
    assert Her2st(release.root, blobs={}).left_out(MINOR)["B2"] == "'minor.zip' has no proportions of it"


def test_a_missing_archive_leaves_every_slide_out(release):
    release.proportions().unlink()
    her2st = Her2st(release.root, blobs={})
    assert not her2st.slides(MINOR)
    assert her2st.left_out(MINOR)["A1"] == "no proportions found; `histobench data download her2st` fetches it"
    assert her2st.slides("gene_expression")


def test_slides_without_labels_say_so(her2st):
    assert "for one slide of each patient" in her2st.left_out("label")["A1"]


def test_labels_of_an_unlabelled_slide_are_an_error(her2st):
    with pytest.raises(DataError, match=r"slide 'A1' has no labels: '.*A1_labeled"):
        her2st.table(Slide(id="A1", patient="her2st:A"), "label")


def test_counts_deleted_meanwhile_are_an_error(release, her2st, b1):
    release.counts("B1").unlink()
    with pytest.raises(DataError, match=r"B1.tsv.gz' does not exist; .histobench data download"):
        her2st.table(b1, MINOR)


def test_unknown_names_are_refused(her2st, b1):
    with pytest.raises(DataError, match="her2st has no target 'cell_abundance:tiny'; it has cell_abundance:minor"):
        her2st.table(b1, "cell_abundance:tiny")
    with pytest.raises(DataError, match="her2st has no slide 'Z9'; it has A1 to H3"):
        her2st.table(replace(b1, id="Z9"), MINOR)


# Folds


def test_the_published_folds_are_cucas():
    test_patients = {fold.name: sorted({slide[0] for slide in fold.test}) for fold in CUCA_4FOLD.folds}
    assert test_patients == {"0": ["D", "H"], "1": ["A", "G"], "2": ["C", "F"], "3": ["B", "E"]}
    assert CUCA_4FOLD.folds[0].val == tuple(slide for slide in SLIDES if slide[0] in "AC")
    assert CUCA_4FOLD.folds[0].train == tuple(slide for slide in SLIDES if slide[0] in "BEFG")


def test_the_published_folds_share_no_patient():
    slides = [Slide(id=slide, patient=patient) for slide, patient in PATIENTS.items()]
    assert len(make_folds(CUCA_4FOLD, slides).splits) == 4


# The real release


@pytest.fixture
def real(her2st_root) -> Her2st:
    return Her2st(her2st_root)


def test_real_slides_with_images_form_two_folds(real):
    slides = real.slides(MINOR)
    assert [slide.id for slide in slides] == ["B4", "C2", "C3", "C4", "C5"]
    assert [split.fold for split in make_folds(leave_one_patient_out, slides).splits] == ["her2st:B", "her2st:C"]


@pytest.mark.reference
@pytest.mark.parametrize(
    ("target", "n_types"), [(MINOR, 22), ("cell_abundance:major", 8), ("cell_abundance:subset", 41)]
)
def test_real_tiers_have_the_published_number_of_types(real, target, n_types):
    table = real.table(real.slides(target)[0], target)
    assert table.targets.values.shape == (283, n_types)
    np.testing.assert_allclose(table.targets.values.sum(axis=1), 1, atol=1e-5)
    assert real.notes(real.slides(target)[0], target) == (
        "slide 'B4': 1 of 284 spots of the selection are left out: other tables lack them.",
    )


@pytest.mark.reference
def test_real_counts_have_the_published_size(real):
    table = real.table(real.slides("gene_expression")[0], "gene_expression")
    assert table.counts.values.shape == (283, 15289)
    assert table.counts.values.sum() == 935146


def test_real_resolution_is_near_that_of_the_specification(real):
    assert all(0.62 < slide.mpp < 0.70 for slide in real.slides(MINOR))
    assert real.table(Slide(id="A1", patient="her2st:A"), MINOR).slide.mpp > 0.9  # smaller images


def test_real_image_covers_its_spots(real):
    slide = real.slides(MINOR)[0]
    assert len(real.image(slide).content_hash()) == 64


def test_real_labels_match_the_spots(real):
    table = real.table(Slide(id="G2", patient="stnet:23903"), "label")
    assert len(table.spot_ids) == 402
    counts = dict(zip(LABELS, table.targets.values.sum(axis=0), strict=True))
    assert counts["invasive cancer"] == 140


def test_real_spot_without_counts_is_named(real):
    notes = real.notes(Slide(id="D5", patient="her2st:D"), "gene_expression")
    assert notes[-1] == "slide 'D5': 1 of 306 spots are left out: they have no counts."


def test_file_that_is_not_the_publishers_is_noted(release, tmp_path):
    expected = {f"data/ST-spotfiles/{name}_selection.tsv": "0" * 40 for name in ("B1", "B2")}
    her2st = Her2st(release.root, blobs=expected)
    (b1,) = [slide for slide in her2st.slides(MINOR) if slide.id == "B1"]
    assert her2st.notes(b1, MINOR)[-1] == (
        "'data/ST-spotfiles/B1_selection.tsv' is not the published file: its git blob id differs."
    )


def test_published_files_are_not_noted(real):
    assert not [note for slide in real.slides(MINOR) for note in real.notes(slide, MINOR) if "publisher" in note]
