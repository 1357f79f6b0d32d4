"""Paired tests and their correction, against SciPy, worked values and what must not matter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import false_discovery_control, permutation_test, ttest_rel, wilcoxon

from histobench.results.statistics.paired import EXACT_UNITS, FLIPS, holm, paired_tests, smallest_p

NUMBERS = st.floats(-3, 3, allow_subnormal=False).map(lambda value: round(value, 2))
TABLES = st.integers(2, 9).flatmap(lambda m: arrays(np.float64, (3, m), elements=NUMBERS))


def _p(values):
    return float(paired_tests([values]).p[0])


# sign flips


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1.0, 1.0, 1.0, 1.0, 1.0], 2 / 32),
        ([3.0, 1.0, -1.0], 6 / 8),  # sums of size 5, 3, 3, 1, each twice; 3 was observed
        ([1.0, 2.0, 3.0, -4.0], 14 / 16),  # only 0 is nearer to zero than 2, in two turns
        ([0.0, 0.0, 0.0], 1.0),
        ([1.0, -1.0], 1.0),
    ],
)
def test_sign_flip_p_by_hand(differences, p):
    assert _p(differences) == pytest.approx(p)


def test_sign_flips_agree_with_scipy():
    rng = np.random.default_rng(0)
    for n_units in (4, 7, 10):
        differences = rng.normal(0.4, 1, n_units)
        expected = permutation_test(
            (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
        )
        assert _p(differences) == pytest.approx(expected.pvalue)


def test_drawn_flips_are_near_the_exact_ones():
    rng = np.random.default_rng(0)
    differences = rng.normal(0.5, 1, EXACT_UNITS + 2)
    expected = permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert _p(differences) == pytest.approx(expected.pvalue, abs=4 * np.sqrt(expected.pvalue / FLIPS))


def test_with_many_units_the_law_is_students():
    differences = np.random.default_rng(3).normal(0.2, 1, 80)
    assert _p(differences) == pytest.approx(ttest_rel(differences, np.zeros(80)).pvalue, abs=0.01)


def test_drawn_p_is_never_zero():
    assert _p(np.full(30, 1.0)) == pytest.approx(smallest_p(30), rel=0.5)
    assert _p(np.full(30, 1.0)) >= 1 / FLIPS


@pytest.mark.parametrize(("n_units", "p"), [(2, 0.5), (5, 2 / 32), (6, 2 / 64), (12, 2 / 4096)])
def test_smallest_p_is_reached_where_all_signs_agree(n_units, p):
    assert smallest_p(n_units) == p
    assert _p(np.arange(1, n_units + 1)) == pytest.approx(p)


def test_smallest_p_of_drawn_flips_is_that_of_their_number():
    assert smallest_p(13) == 2 / 2**13
    assert smallest_p(30) == 1 / FLIPS


def test_one_unit_is_no_test():
    tests = paired_tests([[0.3]])
    assert np.isnan(tests.p).all()
    assert np.isnan(tests.wilcoxon).all()
    assert np.isnan(tests.cohens_d).all()


@given(TABLES)
def test_p_is_a_probability_that_is_never_zero(table):
    tests = paired_tests(table)
    for p in (tests.p, tests.wilcoxon):
        assert (p >= smallest_p(table.shape[1]) - 1e-12).all()
        assert (p <= 1).all()


@given(TABLES, st.randoms(use_true_random=False))
def test_order_of_units_does_not_matter(table, random):
    order = list(range(table.shape[1]))
    random.shuffle(order)
    one, other = paired_tests(table), paired_tests(table[:, order])
    for name in ("p", "wilcoxon", "cohens_d", "rank_biserial"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-9)


@given(TABLES)
def test_the_other_side_has_the_same_p_and_the_opposite_effect(table):
    one, other = paired_tests(table), paired_tests(-table)
    np.testing.assert_allclose(one.p, other.p)
    np.testing.assert_allclose(one.wilcoxon, other.wilcoxon)
    np.testing.assert_allclose(one.cohens_d, -other.cohens_d, atol=1e-9)
    np.testing.assert_allclose(one.rank_biserial, -other.rank_biserial, atol=1e-9)


@given(TABLES, st.sampled_from([1e-6, 0.5, 1e6]))
def test_unit_of_the_metric_does_not_matter(table, factor):
    one, other = paired_tests(table), paired_tests(table * factor)
    np.testing.assert_allclose(one.p, other.p)
    np.testing.assert_allclose(one.wilcoxon, other.wilcoxon)
    np.testing.assert_allclose(one.cohens_d, other.cohens_d, atol=1e-9)


@given(TABLES)
def test_a_comparison_is_the_same_alone_and_among_others(table):
    np.testing.assert_allclose(paired_tests(table).p[1], paired_tests(table[1:2]).p[0])


# Wilcoxon and effect sizes


def test_wilcoxon_agrees_with_scipy():
    rng = np.random.default_rng(0)
    for n_units in (5, 8, 12):
        differences = rng.normal(0.3, 1, n_units)
        assert paired_tests([differences]).wilcoxon[0] == pytest.approx(wilcoxon(differences, method="exact").pvalue)


def test_wilcoxon_with_ties_and_zeros_is_that_of_all_permutations():
    differences = np.array([1.0, 1.0, -1.0, 2.0, 2.0, 0.0, 3.0])
    ranks = np.array([2, 2, -2, 4.5, 4.5, 0, 6.0])
    expected = permutation_test((ranks,), np.sum, permutation_type="samples", n_resamples=np.inf)
    tests = paired_tests([differences])
    assert tests.wilcoxon[0] == pytest.approx(expected.pvalue)
    assert tests.rank_biserial[0] == pytest.approx((19 - 2) / 21)


def test_cohens_d_is_the_mean_in_standard_deviations():
    assert paired_tests([[1.0, 2.0, 3.0]]).cohens_d[0] == pytest.approx(2.0)


def test_cohens_d_of_differences_that_do_not_vary_is_undefined():
    tests = paired_tests([[0.05, 0.05 + 1e-17, 0.05]])
    assert np.isnan(tests.cohens_d[0])
    assert tests.rank_biserial[0] == 1


def test_equal_methods_have_no_effect():
    tests = paired_tests(np.zeros((1, 6)))
    assert (tests.p[0], tests.wilcoxon[0]) == (1, 1)
    assert np.isnan(tests.cohens_d[0])
    assert np.isnan(tests.rank_biserial[0])


# Holm


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_out_what_is_no_test():
    np.testing.assert_allclose(holm([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])


def test_holm_of_nothing_is_nothing():
    assert holm([]).shape == (0,)
    assert np.isnan(holm([np.nan])).all()


@given(arrays(np.float64, st.integers(1, 12), elements=st.floats(0, 1)))
def test_holm_stands_between_no_correction_and_bonferroni(p):
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(p * len(p), 1) + 1e-12).all()
    assert (adjusted >= false_discovery_control(p) - 1e-12).all()  # Benjamini and Hochberg's is the laxer one


@given(arrays(np.float64, st.integers(1, 12), elements=st.floats(0, 1)), st.randoms(use_true_random=False))
def test_holm_does_not_depend_on_the_order_of_tests(p, random):
    order = list(range(len(p)))
    random.shuffle(order)
    np.testing.assert_allclose(holm(p)[order], holm(p[order]))
