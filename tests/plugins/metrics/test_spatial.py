"""Maps: weights, autocorrelation, similarity and co-localisation, against loops, scikit-image and the protocol."""

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from scipy.stats import pearsonr, spearmanr
from skimage.metrics import structural_similarity as skimage_similarity

from histobench import ScoreContext
from histobench.data.spatial import bivariate_r, gaussian_weights, published_weights
from histobench_metrics.spatial.colocalisation import colocalisation, published_colocalisation
from histobench_metrics.spatial.moran_difference import moran_difference
from histobench_metrics.spatial.ssim import pitch, structural_similarity


def _grid(side, *, step=200.0):
    return np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2).astype(np.float32) * step


def _context(xy, **facts):
    return ScoreContext(names=("a",), slide_ids=np.full(len(xy), "A1"), xy_um=xy, **facts)


def test_weights_are_gaussian_within_their_cutoff():
    xy = np.random.default_rng(0).random((40, 2)) * 1000
    squares = cdist(xy, xy) ** 2
    expected = np.exp(-squares / (2 * 150.0**2))
    expected[expected < 0.2] = 0.0
    np.fill_diagonal(expected, 0.5)
    np.testing.assert_allclose(gaussian_weights(xy, length=150.0, itself=0.5).toarray(), expected, atol=1e-12)


def test_published_weights_keep_160_neighbours_and_sum_to_the_spots():
    xy = np.random.default_rng(0).random((300, 2)) * 1500
    distances = cdist(xy, xy)
    expected = np.exp(-(distances**2) / (2 * 500.0**2))
    expected[np.argsort(np.argsort(distances, axis=1), axis=1) >= 160] = 0.0
    expected[expected < 0.2] = 0.0
    np.fill_diagonal(expected, 1.0)
    weights = published_weights(xy, length=500.0)
    np.testing.assert_allclose(weights.toarray(), expected * 300 / expected.sum(), atol=1e-12)
    assert abs(weights - weights.T).max() > 0  # the limit of 160 binds here


def test_distinct_spots_at_one_place_weigh_nothing_as_published():
    weights = published_weights(np.array([[0.0, 0.0], [0.0, 0.0], [100.0, 0.0]]), length=500.0).toarray()
    assert weights[0, 1] == weights[1, 0] == 0.0
    assert weights[0, 0] > weights[0, 2] > 0.0


def test_pitch_is_the_lattices():
    assert pitch(_grid(5)) == 200.0


def test_moran_is_a_double_loop():
    rng = np.random.default_rng(0)
    xy, tables = _grid(6), rng.random((2, 36, 3))
    weights = gaussian_weights(xy, length=150.0, itself=0.0).toarray()

    def loop(values):
        centred = values - values.mean()
        total = sum(weights[i, j] * centred[i] * centred[j] for i in range(36) for j in range(36))
        return 36 / weights.sum() * total / (centred**2).sum()

    expected = [abs(loop(p) - loop(y)) for p, y in zip(tables[0].T, tables[1].T, strict=True)]
    np.testing.assert_allclose(moran_difference(*tables, context=_context(xy)), expected, atol=1e-12)


def test_a_checkerboard_is_as_far_as_can_be_from_a_gradient():
    xy = _grid(8)
    gradient, board = xy[:, :1], (xy.sum(axis=1, keepdims=True) / 200) % 2
    assert moran_difference(board, gradient, context=_context(xy))[0] > 0.9
    assert moran_difference(gradient * 3 + 1, gradient, context=_context(xy))[0] == pytest.approx(0.0, abs=1e-6)


def test_spots_too_far_apart_have_no_autocorrelation():
    xy, values = _grid(4, step=1000.0), np.random.default_rng(0).random((16, 1))
    assert np.isnan(moran_difference(values, values, context=_context(xy))[0])


def test_similarity_is_skimages_away_from_the_border():
    side = 30
    rng = np.random.default_rng(0)
    observed = rng.random((side, side))
    # inside, windows are whole; with all of the border predicted rightly only the inside differs
    predicted = observed.copy()
    predicted[12:18, 12:18] += rng.normal(0, 0.5, (6, 6))
    _, theirs = skimage_similarity(
        predicted, observed, data_range=np.ptp(observed), gaussian_weights=True, use_sample_covariance=False, full=True
    )
    ours = structural_similarity(predicted.reshape(-1, 1), observed.reshape(-1, 1), context=_context(_grid(side)))
    assert ours[0] == pytest.approx(theirs.mean(), abs=1e-6)


def test_similarity_sees_a_shift_that_correlation_does_not():
    observed = np.random.default_rng(0).random((64, 1))
    context = _context(_grid(8))
    assert structural_similarity(observed, observed, context=context)[0] == pytest.approx(1.0)
    assert structural_similarity(observed + 1.0, observed, context=context)[0] < 0.9


@pytest.mark.reference
def test_bivariate_r_has_the_protocols_worked_value():
    weights = np.array([[1, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 1]])
    scaled = sparse.csr_matrix(weights * 3 / weights.sum())
    relations = bivariate_r(np.array([[1.0, 2, 4], [0.0, 1, 1]]), scaled)
    assert relations[0, 1] == pytest.approx(0.491354, abs=1e-6)


def test_agreement_is_that_of_all_pairs_in_a_loop():
    rng = np.random.default_rng(0)
    xy, predicted, observed = _grid(7), rng.random((49, 4)), rng.random((49, 4))
    weights = published_weights(xy / 0.5, length=500.0).toarray()

    def loop(table):
        z = (table - table.mean(axis=0)) / table.std(axis=0)
        pairs = [(a, b) for a in range(4) for b in range(a + 1, 4)]
        return np.array([(z[:, b] * (weights @ z[:, a])).sum() / weights.sum() for a, b in pairs])

    said, seen = loop(predicted), loop(observed)
    cosine = said @ seen / np.linalg.norm(said) / np.linalg.norm(seen)
    expected = [pearsonr(said, seen).statistic, spearmanr(said, seen).statistic, (1 + cosine) / 2]
    scores = published_colocalisation(predicted, observed, context=_context(xy, mpp=0.5))
    np.testing.assert_allclose(scores, expected, atol=1e-9)


def test_a_constant_type_costs_the_published_score_and_not_ours():
    rng = np.random.default_rng(0)
    predicted, observed = rng.random((2, 49, 5))
    predicted[:, 2] = 1.0
    context = _context(_grid(7), mpp=0.5)
    assert np.isnan(published_colocalisation(predicted, observed, context=context)).all()
    kept = np.array([0, 1, 3, 4])
    ours = colocalisation(predicted, observed, context=context)
    np.testing.assert_array_equal(ours, colocalisation(predicted[:, kept], observed[:, kept], context=context))


def test_more_targets_than_memory_holds_pairs_for_are_undefined():
    table = np.random.default_rng(0).random((4, 2001))
    assert np.isnan(colocalisation(table, table, context=_context(_grid(2)))).all()
