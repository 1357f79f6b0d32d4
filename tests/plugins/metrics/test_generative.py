"""Sets of patches whose distances are known, and what the metrics say where nothing differs."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import linalg
from scipy.spatial.distance import cdist
from skimage.filters import threshold_otsu

from histobench import DataError, ImageFeatures, ScoreContext, ShapeError
from histobench_metrics.generative.catalogue import CARDS
from histobench_metrics.generative.clip_score import clip_score
from histobench_metrics.generative.columns import (
    CEILING,
    CLIP_SCORES,
    ENTROPIES,
    FRECHET,
    KERNEL,
    MEMORISATION,
)
from histobench_metrics.generative.conditional_ceiling import conditional_ceiling
from histobench_metrics.generative.contrastive_entropy import contrastive_entropy, cross_entropies
from histobench_metrics.generative.fid import fid, frechet_distance
from histobench_metrics.generative.image_manifold import manifold_coverage, manifold_density, manifold_share
from histobench_metrics.generative.kid import kernel_distance, kid
from histobench_metrics.generative.memorisation import memorisation
from histobench_metrics.generative.nuclei_difference import count_nuclei, haematoxylin, nuclei_difference

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(120, 8))
OTHERS = RNG.normal(size=(120, 8)) * 1.3 + 0.4
TABLE = np.zeros((120, 3), dtype=np.float32)


def _context(generated, *, real=REAL, **facts):
    n = len(real)
    images = np.zeros((n, 4, 4, 3), dtype=np.uint8)
    known = {"read_real": TABLE[:n], "nearest_generated": np.ones(n), "nearest_real": np.ones(n), **facts}
    features = ImageFeatures(generated=generated, real=real, images=images, patches=images, **known)
    xy = np.stack([np.arange(n) % 12, np.arange(n) // 12], axis=1) * 100.0
    return ScoreContext(names=tuple("abc"), slide_ids=np.full(n, "A1"), xy_um=xy, features=features)


def _named(columns, scores):
    return dict(zip(columns, scores, strict=True))


def test_a_set_is_at_no_distance_from_itself():
    assert frechet_distance(REAL, REAL) == pytest.approx(0.0, abs=1e-12)
    assert frechet_distance(REAL[:6], REAL[:6]) == pytest.approx(0.0, abs=1e-12)  # fewer patches than features


@pytest.mark.parametrize("n", [5, 60, 120])
def test_distance_is_that_of_the_root_of_the_product(n):
    one, other = REAL[:n], OTHERS[:n] @ RNG.normal(size=(8, 8))
    sigma, omega = np.cov(one.T), np.cov(other.T)
    root = np.sqrt(linalg.eigvals(sigma @ omega).astype(complex)).real.sum()
    shift = ((one.mean(axis=0) - other.mean(axis=0)) ** 2).sum()
    expected = shift + np.trace(sigma) + np.trace(omega) - 2 * root
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-6)


def test_covariances_are_divided_as_asked():
    shift = ((REAL.mean(axis=0) - OTHERS.mean(axis=0)) ** 2).sum()
    ours, theirs = (frechet_distance(REAL, OTHERS, ddof=ddof) - shift for ddof in (1, 0))
    assert theirs == pytest.approx(ours * 119 / 120)


def test_gaussians_that_are_shifted_and_stretched_have_a_closed_form():
    draw = np.random.default_rng(1)
    deviation, stretched = np.array([1.0, 2.0, 0.5]), np.array([2.0, 1.0, 0.5])
    shift = np.array([1.0, 0.0, -1.0])
    one, other = draw.normal(size=(2, 40_000, 3))
    expected = (shift**2).sum() + ((deviation - stretched) ** 2).sum()
    assert frechet_distance(one * deviation, other * stretched + shift) == pytest.approx(expected, rel=0.03)


def test_few_patches_are_biased_upwards_and_the_columns_show_it():
    """Both sets are of one distribution: what is measured is bias alone."""
    draw = np.random.default_rng(2)
    scores = []
    for _ in range(4):
        generated, real = draw.normal(size=(2, 120, 16))
        context = _context(generated, real=real)
        scores.append(fid(TABLE, TABLE, context=context))
    scores = _named(FRECHET, np.mean(scores, axis=0))
    assert scores["half of them"] > 1.5 * scores["all patches"] > 0.5
    assert scores["real halves"] == pytest.approx(scores["half of them"], rel=0.2)
    assert abs(scores["extrapolated"]) < 0.5 * scores["all patches"]


def test_two_patches_have_a_distance_and_no_halves():
    scores = fid(TABLE[:2], TABLE[:2], context=_context(OTHERS[:2], real=REAL[:2]))
    assert np.isfinite(scores[0])
    assert np.isnan(scores[1:]).all()
    assert np.isnan(fid(TABLE[:1], TABLE[:1], context=_context(OTHERS[:1], real=REAL[:1]))).all()


def test_discrepancy_is_a_double_loop():
    one, other = REAL[:9], OTHERS[:9]

    def kernel(a, b):
        return (a @ b / 8 + 1) ** 3

    pairs = [(i, j) for i in range(9) for j in range(9)]
    within = sum(kernel(side[i], side[j]) for side in (one, other) for i, j in pairs if i != j) / 72
    across = sum(kernel(one[i], other[j]) for i, j in pairs) / 81
    assert kernel_distance(one, other)[0] == pytest.approx(within - 2 * across)


def test_the_kernel_distance_of_one_distribution_is_about_zero_and_may_be_below():
    one, other = np.random.default_rng(3).normal(size=(2, 400, 8))
    mean, deviation = kernel_distance(one, other, size=50)
    assert abs(mean) < deviation
    assert kernel_distance(REAL, REAL, size=60)[0] < 0
    assert kernel_distance(REAL, OTHERS, size=60)[0] > 0.1


def test_a_subset_is_no_larger_than_there_are_patches():
    scores = _named(KERNEL, kid(TABLE, TABLE, context=_context(OTHERS)))
    assert (scores["subset"], scores["deviation"]) == (120.0, 0.0)


def test_a_set_fills_its_own_manifold():
    assert manifold_share(REAL, REAL, k=3) == 1.0
    assert manifold_coverage(REAL, REAL, k=5) == 1.0
    assert manifold_density(REAL, REAL, k=5) == pytest.approx(1.0)


def test_sets_far_apart_share_nothing():
    far = REAL + 1000.0
    assert manifold_share(far, REAL, k=3) == manifold_share(REAL, far, k=3) == 0.0
    assert manifold_coverage(far, REAL, k=5) == manifold_density(far, REAL, k=5) == 0.0


def test_manifolds_are_those_of_a_table_of_distances():
    distances = cdist(OTHERS, REAL)
    third, fifth = (np.sort(cdist(REAL, REAL), axis=1)[:, k] for k in (3, 5))
    assert manifold_share(OTHERS, REAL, k=3) == (distances <= third).any(axis=1).mean()
    assert manifold_density(OTHERS, REAL, k=5) == pytest.approx((distances < fifth).sum() / (5 * 120))
    assert manifold_coverage(OTHERS, REAL, k=5) == (distances < fifth).any(axis=0).mean()


def test_one_patch_over_and_over_is_precise_and_covers_little():
    once = np.repeat(REAL[:1], 120, axis=0)
    assert manifold_share(once, REAL, k=3) == 1.0
    assert manifold_share(REAL, once, k=3) == pytest.approx(1 / 120)
    assert manifold_coverage(once, REAL, k=5) < 0.2


def test_telling_nothing_costs_the_logarithm_of_the_batch():
    amid = np.zeros_like(REAL)
    context = _context(amid, real=np.concatenate([REAL[:60], -REAL[:60]]))
    scores = _named(ENTROPIES, contrastive_entropy(TABLE, TABLE, context=context))
    np.testing.assert_allclose([scores["hard"], scores["soft"], scores["chance"]], np.log(120))


def test_a_generator_that_returns_the_real_patch_is_told_and_a_shuffled_one_is_not():
    hard, soft = contrastive_entropy(TABLE, TABLE, context=_context(REAL))[:2]
    shuffled = contrastive_entropy(TABLE, TABLE, context=_context(REAL[RNG.permutation(120)]))
    assert hard < soft < np.log(120)
    assert (shuffled[:2] > np.log(120)).all()


def test_cross_entropies_are_those_of_a_loop():
    one, other = REAL[:5], OTHERS[:5]

    def softmax(values):
        return np.exp(values) / np.exp(values).sum()

    told = np.array([np.log(softmax(row)) for row in one @ other.T])
    wanted = np.array([softmax(row) for row in other @ other.T])
    expected = (-np.trace(told) / 5, -(wanted * told).sum() / 5)
    np.testing.assert_allclose(cross_entropies(one, other), expected)


def test_the_last_partial_batch_is_dropped():
    real = np.random.default_rng(4).normal(size=(300, 8))
    table = np.zeros((300, 3), dtype=np.float32)
    context = _context(real, real=real, read_real=table)
    assert contrastive_entropy(table, table, context=context)[2] == np.log(256)


def test_a_method_without_a_space_of_its_own_has_no_clip_score():
    assert np.isnan(clip_score(TABLE, TABLE, context=_context(OTHERS))).all()
    scored = clip_score(TABLE, TABLE, context=_context(OTHERS, image=REAL, expression=REAL))
    assert scored[0] == pytest.approx(1.0)
    assert np.isnan(scored[-1])  # it does not say where real patches lie


def test_a_clip_score_stands_beside_that_of_the_real_patches():
    spots = _context(OTHERS, image=OTHERS, expression=REAL, real_image=REAL + 0.1 * OTHERS)
    scores = _named(CLIP_SCORES, clip_score(TABLE, TABLE, context=spots))
    assert scores["paired"] < 0.3
    one, other = REAL + 0.1 * OTHERS, REAL
    cosines = (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert scores["real pairs"] == pytest.approx(cosines.mean(), rel=1e-5)


def test_places_of_real_patches_in_another_space_are_refused():
    with pytest.raises(ShapeError, match=r"real_image vectors must be \(120, 8\), got \(120, 5\)"):
        _context(OTHERS, image=REAL, expression=REAL, real_image=REAL[:, :5])


def test_the_ceiling_is_what_real_patches_show():
    prompt = RNG.normal(size=(120, 3)).astype(np.float32)
    read = (prompt + RNG.normal(size=(120, 3))).astype(np.float32)
    scores = _named(CEILING, conditional_ceiling(-prompt, prompt, context=_context(OTHERS, read_real=read)))
    assert scores["generated patches"] == pytest.approx(-1.0)
    expected = np.mean([np.corrcoef(read[:, i], prompt[:, i])[0, 1] for i in range(3)])
    assert scores["real patches"] == pytest.approx(expected, abs=1e-6)


def test_copies_lie_nearer_than_new_tissue_does():
    usual = RNG.gamma(20.0, 1.0, 120)
    alike = RNG.gamma(20.0, 1.0, 120)
    copied = np.where(np.arange(120) < 48, 1e-3, alike)
    contexts = [_context(OTHERS, nearest_real=usual, nearest_generated=nearest) for nearest in (alike, copied)]
    honest, thief = (_named(MEMORISATION, memorisation(TABLE, TABLE, context=context)) for context in contexts)
    assert honest["excess"] < 0.06
    assert thief["excess"] == pytest.approx(0.35 + 0.6 * honest["share"], abs=0.05)
    assert honest["median ratio"] == pytest.approx(1.0, abs=0.1)
    assert thief["median ratio"] < honest["median ratio"]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_no_features_are_refused(card):
    nothing = ScoreContext(names=tuple("abc"), slide_ids=np.full(120, "A1"), xy_um=np.zeros((120, 2)))
    with pytest.raises(DataError, match="features"):
        card.build()(TABLE, TABLE, context=nothing)


def _discs(counts):
    """Paint dark discs, 8 pixels wide, on a pale ground, sixteen places to a patch of 64."""
    rows, columns = np.mgrid[:64, :64]
    patches = np.full((len(counts), 64, 64, 3), (240, 190, 215), dtype=np.uint8)
    for patch, count in zip(patches, counts, strict=True):
        for place in range(count):
            centre = 8 + 16 * (place // 4), 8 + 16 * (place % 4)
            patch[(rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= 16] = (80, 50, 140)
    return patches


def test_nuclei_are_counted():
    counts = np.array([0, 1, 5, 16])
    stain = haematoxylin(_discs(counts))
    np.testing.assert_array_equal(count_nuclei(stain, threshold_otsu(stain)), counts)


def test_touching_nuclei_are_told_apart():
    rows, columns = np.mgrid[:64, :64]
    patch = np.full((1, 64, 64, 3), (240, 190, 215), dtype=np.uint8)
    for column in (26, 38):
        patch[0, (rows - 32) ** 2 + (columns - column) ** 2 <= 49] = (80, 50, 140)
    stain = haematoxylin(patch)
    assert count_nuclei(stain, threshold_otsu(stain)).tolist() == [2]


def test_counts_of_nuclei_are_compared_spot_by_spot():
    seen = np.arange(120) % 9
    context = _context(REAL)
    drawn = replace(context.features, images=_discs(seen + 2), patches=_discs(seen))
    scores = nuclei_difference(TABLE, TABLE, context=replace(context, features=drawn))
    np.testing.assert_allclose(scores, [4.0, 2.0, 1.0])
