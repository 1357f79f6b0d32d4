"""Held-out molecules, masked entries and marked regions, by hand and where the answer is known."""

import numpy as np
import pytest
from sklearn.metrics import d2_tweedie_score, mean_poisson_deviance, roc_auc_score

from histobench import DataError, Hidden, ScoreContext
from histobench_metrics.enhancement.columns import CONTRAST
from histobench_metrics.enhancement.heldout_deviance import heldout_deviance, poisson_deviance
from histobench_metrics.enhancement.heldout_pearson import heldout_log_pearson, heldout_pearson
from histobench_metrics.enhancement.marker_contrast import marker_contrast
from histobench_metrics.enhancement.masked_pearson import masked_pearson, masked_rmse
from histobench_metrics.enhancement.oracle_pearson import oracle_log_pearson, oracle_pearson, oracle_rmse

RNG = np.random.default_rng(0)
N, T = 300, 4
DEPTH = RNG.integers(200, 2000, N).astype(float)
SHARES = RNG.gamma(1.0, 1.0, (N, T)) * [0.001, 0.004, 0.01, 0.03]
COUNTS = RNG.poisson(SHARES * DEPTH[:, None])
OBSERVED = np.log1p(COUNTS / DEPTH[:, None] * 1e4).astype(np.float32)
RIGHT = np.log1p(SHARES * 1e4).astype(np.float32)
MASKED = RNG.random((N, T)) < 0.1


def _context(*, depth=DEPTH, truth=OBSERVED, masked=MASKED, regions=None, oracle=None):
    return ScoreContext(
        names=tuple("abcd"[: truth.shape[1]]),
        slide_ids=np.full(len(truth), "A1"),
        xy_um=np.zeros((len(truth), 2)),
        hidden=Hidden(depth=depth, truth=truth, masked=masked, oracle=oracle),
        regions=regions,
    )


def test_the_correlation_of_shares_is_numpys_with_weights():
    covariances = [np.cov(one, other, aweights=DEPTH) for one, other in zip(SHARES.T, (COUNTS.T / DEPTH), strict=True)]
    expected = [table[0, 1] / np.sqrt(table[0, 0] * table[1, 1]) for table in covariances]
    np.testing.assert_allclose(heldout_pearson(RIGHT, OBSERVED, context=_context()), expected, atol=1e-5)


def test_the_number_of_molecules_is_no_merit_where_all_spots_are_alike():
    """Of logarithms it is: the fewer molecules, the more zeros. So it alone would win over what sees every gene."""
    depth = np.exp(RNG.normal(4.0, 1.0, 2000)).round() + 1
    counts = RNG.poisson(depth[:, None] * np.full(T, 0.01))
    observed = np.log1p(counts / depth[:, None] * 1e4).astype(np.float32)
    deep = np.tile(np.log(depth)[:, None], (1, T)).astype(np.float32)
    context = _context(depth=depth, truth=observed, masked=RNG.random((2000, T)) < 0.5)
    assert (heldout_log_pearson(deep, observed, context=context) > 0.25).all()
    for metric in (heldout_pearson, masked_pearson):
        assert (np.abs(metric(deep, observed, context=context)) < 0.12).all()


def test_a_gene_enhanced_to_one_value_scores_nothing_and_one_never_held_out_is_undefined():
    flat, unseen = RIGHT.copy(), OBSERVED.copy()
    flat[:, 0], unseen[:, 1] = 2.0, 0.0
    scores = heldout_pearson(flat, unseen, context=_context())
    assert scores[0] == 0.0
    np.testing.assert_array_equal(np.isnan(scores), [False, True, False, False])


def test_spots_without_molecules_have_no_say():
    depth = np.where(np.arange(N) < 50, 0.0, DEPTH)
    wrong = np.where((depth == 0)[:, None], 9.0, RIGHT)
    scores = [heldout_pearson(side, OBSERVED, context=_context(depth=depth)) for side in (wrong, RIGHT)]
    np.testing.assert_array_equal(*scores)
    assert np.isnan(heldout_pearson(RIGHT, OBSERVED, context=_context(depth=np.zeros(N)))).all()


def test_deviance_is_scikit_learns():
    expected = [mean_poisson_deviance(y, m) * N for y, m in zip(COUNTS.T, SHARES.T * DEPTH, strict=True)]
    np.testing.assert_allclose(poisson_deviance(COUNTS.T.astype(float), SHARES.T * DEPTH), expected)


def test_the_share_explained_is_scikit_learns_where_all_spots_are_as_deep():
    depth = np.full(N, 1000.0)
    counts = RNG.poisson(SHARES * 1000.0)
    observed = np.log1p(counts * 10.0)
    rates = SHARES * (counts.sum(axis=0) / SHARES.sum(axis=0))
    mixed = 0.99 * rates + 0.01 * counts.mean(axis=0)
    expected = [d2_tweedie_score(y, m, power=1) for y, m in zip(counts.T, mixed.T, strict=True)]
    scores = heldout_deviance(np.log1p(SHARES * 1e4), observed, context=_context(depth=depth))
    np.testing.assert_allclose(scores, expected, atol=1e-9)


def test_the_true_rates_explain_what_can_be_and_the_mean_nothing():
    right = heldout_deviance(RIGHT, OBSERVED, context=_context())
    assert (right > 0.4).all()
    flat = heldout_deviance(np.full_like(RIGHT, 2.0), OBSERVED, context=_context())
    np.testing.assert_allclose(flat, 0.0, atol=1e-5)


def test_depth_is_no_merit():
    """A prediction in proportion to depth alone is worse than the mean, which knows the depth already."""
    deep = np.log1p(np.tile(DEPTH[:, None], (1, T)))
    assert (heldout_deviance(deep, OBSERVED, context=_context()) < 0.0).all()


def test_a_genes_level_does_not_count():
    scaled = np.log1p(np.expm1(RIGHT.astype(float)) * 0.1)
    once, again = (heldout_deviance(side, OBSERVED, context=_context()) for side in (RIGHT, scaled))
    np.testing.assert_allclose(once, again, atol=1e-5)


def test_what_is_forbidden_and_comes_costs_and_is_no_infinity():
    absent = np.where(RNG.random((N, T)) < 0.5, 0.0, RIGHT)
    scores = heldout_deviance(absent, OBSERVED, context=_context())
    assert np.isfinite(scores).all()
    assert (scores < heldout_deviance(RIGHT, OBSERVED, context=_context()) - 0.5).all()


def test_a_gene_without_molecules_is_undefined_alone():
    observed = OBSERVED.copy()
    observed[:, 1] = 0.0
    scores = heldout_deviance(RIGHT, observed, context=_context())
    np.testing.assert_array_equal(np.isnan(scores), [False, True, False, False])


def test_only_masked_entries_count_and_against_the_whole_counts():
    truth = RIGHT
    predicted = np.where(MASKED, truth, -7.0)
    np.testing.assert_allclose(masked_pearson(predicted, OBSERVED, context=_context(truth=truth)), 1.0)
    np.testing.assert_array_equal(masked_rmse(predicted, OBSERVED, context=_context(truth=truth)), 0.0)
    shifted = masked_rmse(predicted + 2.0, OBSERVED, context=_context(truth=truth))
    np.testing.assert_allclose(shifted, 2.0, atol=1e-6)


def test_the_truth_is_what_counts_were_drawn_from_and_not_what_was_counted():
    context = _context(oracle=RIGHT)
    np.testing.assert_allclose(oracle_pearson(np.log1p(3 * np.expm1(RIGHT)), OBSERVED, context=context), 1.0)
    np.testing.assert_allclose(oracle_log_pearson(2 * RIGHT + 1, OBSERVED, context=context), 1.0)
    np.testing.assert_allclose(oracle_rmse(RIGHT + 1, OBSERVED, context=context), 1.0, atol=1e-6)
    for metric in (oracle_pearson, oracle_log_pearson):
        assert (metric(OBSERVED, OBSERVED, context=context) < 0.99).all()
        assert not metric(np.ones_like(RIGHT), OBSERVED, context=context).any()
    assert (oracle_rmse(OBSERVED, OBSERVED, context=context) > 0.1).all()


def test_where_the_truth_is_not_known_there_is_nothing_to_measure_it_by():
    assert _context().lacks("oracle") == "the expression behind the counts is not known"
    assert not _context(oracle=RIGHT).lacks("oracle")
    for metric in (oracle_pearson, oracle_log_pearson, oracle_rmse):
        with pytest.raises(DataError, match="not known"):
            metric(RIGHT, OBSERVED, context=_context())


def test_fewer_than_three_masked_entries_are_undefined():
    masked = np.zeros((N, T), dtype=bool)
    masked[:2, 0] = masked[:3, 1] = True
    scores = masked_rmse(RIGHT, OBSERVED, context=_context(masked=masked))
    np.testing.assert_array_equal(np.isnan(scores), [True, False, True, True])


def test_areas_are_scikit_learns_for_the_region_that_is_highest_raw():
    regions = RNG.choice(["tumour", "stroma", "fat"], N)
    enhanced = RIGHT + (regions == "stroma")[:, None]
    raw = OBSERVED + (regions == "stroma")[:, None]
    found = marker_contrast(enhanced, OBSERVED, context=_context(truth=raw, regions=regions))
    scores = dict(zip(CONTRAST, found, strict=True))
    own = regions == "stroma"
    assert scores["enhanced auroc"] == pytest.approx(np.mean([roc_auc_score(own, gene) for gene in enhanced.T]))
    assert scores["raw auroc"] == pytest.approx(np.mean([roc_auc_score(own, gene) for gene in raw.T]))


def test_variance_between_regions_is_all_or_nothing():
    regions = np.repeat(["tumour", "stroma"], N // 2)
    mark = np.tile((regions == "tumour")[:, None], (1, T)).astype(np.float32)
    within = np.tile(np.tile([0.0, 1.0], N // 2)[:, None], (1, T)).astype(np.float32)
    scores = marker_contrast(mark, OBSERVED, context=_context(truth=within, regions=regions))
    np.testing.assert_allclose(scores[2:], [1.0, 0.0], atol=1e-9)


def test_spots_without_a_region_are_none():
    regions = np.array(["tumour"] * 100 + ["stroma"] * 100 + [""] * 100)
    some = slice(0, 200)
    whole = marker_contrast(RIGHT, OBSERVED, context=_context(regions=regions))
    part = _context(depth=DEPTH[some], truth=OBSERVED[some], masked=MASKED[some], regions=regions[some])
    np.testing.assert_array_equal(whole, marker_contrast(RIGHT[some], OBSERVED[some], context=part))


@pytest.mark.parametrize(
    "metric",
    [heldout_deviance, heldout_pearson, heldout_log_pearson, masked_pearson, masked_rmse, marker_contrast],
)
def test_nothing_hidden_is_refused(metric):
    nothing = ScoreContext(names=tuple("abcd"), slide_ids=np.full(N, "A1"), xy_um=np.zeros((N, 2)))
    with pytest.raises(DataError, match="hidden"):
        metric(RIGHT, OBSERVED, context=nothing)
