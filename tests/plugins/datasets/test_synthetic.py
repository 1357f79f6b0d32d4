"""Synthetic tissue is reproducible, worth learning from, and knows its truth."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from histobench import ConfigError, DataError, PatchGeometry, Slide
from histobench.images import cut_patches
from histobench_datasets.synthetic.dataset import TARGETS, Synthetic
from histobench_datasets.synthetic.image import draw_image
from histobench_datasets.synthetic.measurement import measure
from histobench_datasets.synthetic.tissue import CELL_TYPES, REGIONS, Design, grow_tissue

ABUNDANCE, EXPRESSION, LABEL = TARGETS
SMALL = Design(n_patients=2, slides_per_patient=1, spots_per_slide=12)


@pytest.fixture(scope="module")
def synthetic():
    return Synthetic()


@pytest.fixture(scope="module")
def first(synthetic):
    return synthetic.slides(ABUNDANCE)[0]


def correlate(left, right):
    """Pearson over spots, averaged over the columns where it is defined."""
    usable = (left.std(axis=0) > 0) & (right.std(axis=0) > 0)
    left, right = (
        (values[:, usable] - values[:, usable].mean(axis=0)) / values[:, usable].std(axis=0) for values in (left, right)
    )
    return (left * right).mean()


# Its shape


def test_there_are_four_patients_with_two_slides(synthetic):
    slides = synthetic.slides(ABUNDANCE)
    assert [slide.id for slide in slides] == ["P1S1", "P1S2", "P2S1", "P2S2", "P3S1", "P3S2", "P4S1", "P4S2"]
    assert len({slide.patient for slide in slides}) == 4
    assert synthetic.left_out(ABUNDANCE) == {}


def test_every_slide_has_eighty_spots_inside_its_image(synthetic, first):
    table = synthetic.table(first, ABUNDANCE)
    height, width, _ = synthetic.image(first).read().shape
    assert len(table.spot_ids) == 80
    assert (table.xy_px > 112).all()
    assert (table.xy_px < np.array([width, height]) - 112).all()


def test_a_field_of_224_pixels_holds_the_spot_and_its_surroundings(synthetic):
    assert all(100 < 224 * slide.mpp < 300 for slide in synthetic.slides(ABUNDANCE))


def test_positions_in_pixels_and_microns_agree(synthetic, first):
    table = synthetic.table(first, ABUNDANCE)
    np.testing.assert_allclose(table.xy_px * first.mpp, table.xy_um)
    assert table.slide == first


def test_abundance_and_its_oracle_have_the_cell_types(synthetic, first):
    table = synthetic.table(first, ABUNDANCE)
    assert table.targets.names == table.oracle.names == tuple(cell.name for cell in CELL_TYPES)
    assert (table.targets.values >= 0).all()


def test_expression_has_all_genes_in_counts_and_oracle(synthetic, first):
    table = synthetic.table(first, EXPRESSION)
    assert table.targets is None
    assert table.oracle.names == table.counts.names
    assert len(table.counts.names) == 120
    np.testing.assert_allclose(np.expm1(table.oracle.values).sum(axis=1), 1e4, rtol=1e-3)


def test_counts_are_whole_numbers_with_dropout(synthetic, first):
    counts = synthetic.table(first, EXPRESSION).counts.values
    np.testing.assert_array_equal(counts, np.rint(counts))
    assert 0.1 < (counts == 0).mean() < 0.7
    assert counts.sum(axis=1).min() > 0


def test_oracle_counts_the_cells_under_the_spot(synthetic):
    tissue = grow_tissue(SMALL, 0, 0)
    near = cdist(tissue.spot_xy_um, tissue.cell_xy_um) <= 50
    expected = [(near[:, tissue.cell_types == kind]).sum(axis=1) for kind in range(len(CELL_TYPES))]
    np.testing.assert_array_equal(measure(SMALL, 0, 0).cells, np.column_stack(expected))


def test_a_visium_lattice_touches_six_neighbours():
    tissue = grow_tissue(Design(lattice="hex", spots_per_slide=60), 0, 0)
    distances = cdist(tissue.spot_xy_um, tissue.spot_xy_um)
    assert (np.isclose(distances, 100).sum(axis=1)).max() == 6
    assert distances[distances > 0].min() == pytest.approx(100)
    assert set(tissue.array.sum(axis=1) % 2) == {0}


def test_slides_and_spots_scale():
    synthetic = Synthetic(Design(n_patients=3, slides_per_patient=1, spots_per_slide=400))
    slides = synthetic.slides(ABUNDANCE)
    assert [slide.id for slide in slides] == ["P1S1", "P2S1", "P3S1"]
    assert len(synthetic.table(slides[2], ABUNDANCE).spot_ids) == 400


# Its randomness


def test_depth_changes_the_counts_and_their_fingerprint_and_nothing_else(synthetic, first):
    shallow = Synthetic(Design(depth=0.1))
    one, other = synthetic.table(first, ABUNDANCE), shallow.table(first, ABUNDANCE)
    assert (other.counts.values <= one.counts.values).all()
    assert other.counts.values.sum() == pytest.approx(0.1 * one.counts.values.sum(), rel=0.02)
    np.testing.assert_array_equal(other.oracle.values, one.oracle.values)
    np.testing.assert_array_equal(other.targets.values, one.targets.values)
    assert shallow.fingerprint(first, ABUNDANCE) != synthetic.fingerprint(first, ABUNDANCE)
    assert shallow.image(first).content_hash() == synthetic.image(first).content_hash()


def test_the_default_tissue_keeps_its_name(synthetic, first):
    """A changed fingerprint would throw away every stored job and embedding of it."""
    assert synthetic.fingerprint(first, EXPRESSION).startswith("a14fe74df496")
    assert synthetic.image(first).content_hash().startswith("f00e6f8e7ef2")


def test_the_same_design_gives_the_same_bits():
    parts = []
    for _ in range(2):
        for made in (grow_tissue, measure):
            made.cache_clear()
        measured = measure(SMALL, 1, 0)
        parts.append((measured.counts.tobytes(), measured.abundance.tobytes(), draw_image(SMALL, 1, 0).tobytes()))
    assert parts[0] == parts[1]


def test_patients_slides_and_seeds_differ():
    other_seed = Design(n_patients=2, slides_per_patient=1, spots_per_slide=12, seed=1)
    made = [measure(*key).counts for key in ((SMALL, 0, 0), (SMALL, 1, 0), (SMALL, 0, 1), (other_seed, 0, 0))]
    assert len({counts.tobytes() for counts in made}) == 4


def test_both_targets_see_the_same_counts(synthetic, first):
    counts = [synthetic.table(first, target).counts.values for target in TARGETS]
    np.testing.assert_array_equal(*counts)


def test_a_changed_table_does_not_change_the_next(synthetic, first):
    table = synthetic.table(first, ABUNDANCE)
    before = table.counts.values.copy()
    for values in (table.counts.values, table.targets.values, table.oracle.values, table.xy_um, table.array):
        values += 1
    np.testing.assert_array_equal(synthetic.table(first, ABUNDANCE).counts.values, before)
    assert synthetic.table(first, ABUNDANCE).spot_ids == table.spot_ids


def test_fingerprints_follow_slide_target_and_design(synthetic):
    one, two = synthetic.slides(ABUNDANCE)[:2]
    again = Synthetic().fingerprint(one, ABUNDANCE)
    others = {
        synthetic.fingerprint(two, ABUNDANCE),
        synthetic.fingerprint(one, EXPRESSION),
        Synthetic(Design(seed=1)).fingerprint(one, ABUNDANCE),
    }
    assert synthetic.fingerprint(one, ABUNDANCE) == again
    assert len({again, *others}) == 4


def test_images_are_told_apart_without_drawing(synthetic):
    hashes = [synthetic.image(slide).content_hash() for slide in synthetic.slides(ABUNDANCE)]
    hashes.append(Synthetic(Design(seed=1)).image(synthetic.slides(ABUNDANCE)[0]).content_hash())
    assert len(set(hashes)) == 9
    assert Synthetic().image(synthetic.slides(ABUNDANCE)[0]).content_hash() == hashes[0]


# Its signal


FOUR = Synthetic(Design(slides_per_patient=1))


@pytest.fixture(scope="module")
def colours():
    """Colour statistics of the middle of each spot's field: slide id → (n, 6)."""
    geometry = PatchGeometry(patch_px=112, field_px=112)
    found = {}
    for slide in FOUR.slides(ABUNDANCE):
        image = FOUR.image(slide).read()
        patches = cut_patches(image, FOUR.table(slide, ABUNDANCE).xy_px, geometry, mpp=None)
        pixels = patches.reshape(len(patches), -1, 3).astype(np.float32)
        found[slide.id] = np.hstack([pixels.mean(axis=1), pixels.std(axis=1)])
    return found


def observe(table):
    """What a method is scored on: the given targets, else log-normalised counts."""
    if table.targets is not None:
        return table.targets.values
    counts = table.counts.values
    return np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))


@pytest.fixture(scope="module", params=TARGETS)
def held_out(request, colours):
    """Colour ridge, fold mean, oracle and observation on the last patient's slide."""
    *train, test = [FOUR.table(slide, request.param) for slide in FOUR.slides(request.param)]
    features = np.concatenate([colours[table.slide.id] for table in train])
    observed = np.concatenate([observe(table) for table in train])
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 6))).fit(features, observed)
    return ridge.predict(colours[test.slide.id]), observed.mean(axis=0), test.oracle.values, observe(test)


def test_colour_beats_the_mean_across_patients(held_out):
    ridge, mean, _, observed = held_out
    assert ((ridge - observed) ** 2).mean() < ((mean - observed) ** 2).mean()
    assert correlate(ridge, observed) > 0.25


def test_the_oracle_beats_colour(held_out):
    ridge, _, oracle, observed = held_out
    assert correlate(oracle, observed) > correlate(ridge, observed) + 0.05
    assert ((oracle - observed) ** 2).mean() < ((ridge - observed) ** 2).mean()


# Its errors


@pytest.mark.parametrize(
    ("option", "value"), [("n_patients", 0), ("spots_per_slide", 3), ("n_genes", 79), ("seed", -1)]
)
def test_a_design_too_small_is_refused(option, value):
    with pytest.raises(ConfigError, match=f"synthetic tissue needs {option} of at least .*, got {value}"):
        Design(**{option: value})


@pytest.mark.parametrize("depth", [0.0, 1.5, float("nan")])
def test_a_depth_that_is_no_share_is_refused(depth):
    with pytest.raises(ConfigError, match=f"depth above 0 and at most 1, got {depth}"):
        Design(depth=depth)


def test_unknown_names_are_refused(synthetic, first):
    with pytest.raises(DataError, match="no target 'protein'; it has cell_abundance, gene_expression, label"):
        synthetic.table(first, "protein")
    with pytest.raises(DataError, match="synthetic has no slide 'Z1'; it has P1S1"):
        synthetic.image(Slide(id="Z1", patient="synthetic:P1"))


def test_nothing_is_dropped(synthetic, first):
    assert synthetic.notes(first, ABUNDANCE) == ()


def test_a_label_names_the_tissue_that_covers_most_of_the_spot() -> None:
    dataset = Synthetic()
    slide = dataset.slides(LABEL)[0]
    targets = dataset.table(slide, LABEL).targets
    tissue = grow_tissue(dataset.design, 0, 0)
    assert targets is not None
    assert (targets.values.sum(axis=1) == 1).all()
    for spot in (0, 40, 79):
        x, y = np.meshgrid(*(np.arange(len(tissue.regions)) * 10.0 + 5.0,) * 2)
        under = np.hypot(x - tissue.spot_xy_um[spot, 0], y - tissue.spot_xy_um[spot, 1]) <= tissue.spot_radius_um
        found = [REGIONS[region] for region in tissue.regions[under]]
        found = ["stroma" if name == "vessel" else name for name in found]
        most = max(targets.names, key=found.count)
        assert targets.names[int(targets.values[spot].argmax())] == most
