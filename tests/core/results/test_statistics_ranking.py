"""Ranks, their intervals, and tie groups."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata

from histobench.results.statistics import mean_intervals
from histobench.results.statistics.ranking import MANY_GROUPS, RANK_ROUNDS, rank_intervals, ranks, tie_letters
from histobench.results.statistics.resampling import draw_shares

SCORES = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(2, 6)), elements=st.integers(-4, 4).map(float))


@given(SCORES)
def test_ranks_are_scipys(scores):
    np.testing.assert_array_equal(ranks(scores), rankdata(-scores, method="min", axis=-1))


def test_sums_in_another_order_are_equal_scores():
    assert ranks([0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, 0.0]).tolist() == [1, 1, 3]


def test_no_rows_have_no_ranks():
    assert ranks(np.empty((3, 0))).shape == (3, 0)


def test_rank_intervals_are_those_of_a_loop():
    values = np.random.default_rng(0).normal(size=(5, 9)) + np.linspace(1, 0, 5)[:, None]
    found = np.array([rankdata(-(values @ share), method="min") for share in draw_shares(9, RANK_ROUNDS).T])
    # of the normal law at Student's 2.306 times the root of 9 / 8, 0.7 % are left out on either side
    expected = np.sort(found, axis=0)[[7, RANK_ROUNDS - 8]].T
    np.testing.assert_array_equal(rank_intervals(values), expected)


def test_far_apart_rows_have_one_rank_each():
    values = np.arange(4)[:, None] * 10.0 + np.random.default_rng(0).normal(size=(4, 8))
    np.testing.assert_array_equal(rank_intervals(values), [[4, 4], [3, 3], [2, 2], [1, 1]])


def test_equal_rows_share_the_first_rank():
    values = np.tile(np.random.default_rng(0).normal(size=7), (3, 1))
    np.testing.assert_array_equal(rank_intervals(values), [[1, 1]] * 3)


@pytest.mark.parametrize("n_units", [1, 2, 4])
def test_few_units_exclude_no_rank(n_units):
    values = np.array([[0.1], [0.9], [0.5]]) + np.zeros(n_units)
    np.testing.assert_array_equal(rank_intervals(values), [[1, 3]] * 3)


def test_a_row_alone_is_the_first():
    np.testing.assert_array_equal(rank_intervals([[0.1, 0.4, 0.2]]), [[1, 1]])


@given(arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(4, 7)), elements=st.floats(-1, 1, width=16)))
def test_order_of_methods_does_not_matter(values):
    np.testing.assert_array_equal(rank_intervals(values[::-1]), rank_intervals(values)[::-1])


@given(arrays(np.float64, st.tuples(st.integers(2, 5), st.integers(4, 7)), elements=st.integers(-8, 8).map(float)))
def test_what_all_units_have_in_common_does_not_matter(values):
    shift = np.arange(values.shape[1]) * 16.0
    np.testing.assert_array_equal(rank_intervals(values + shift), rank_intervals(values))


@given(arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(4, 9)), elements=st.floats(-1, 1, width=16)))
def test_rank_interval_holds_places_that_exist(values):
    best, worst = rank_intervals(values).T
    assert (best >= 1).all()
    assert (worst <= len(values)).all()
    assert (best <= worst).all()


# letters


def _apart(n, pairs):
    apart = np.zeros((n, n), dtype=bool)
    for one, other in pairs:
        apart[one, other] = apart[other, one] = True
    return apart


@pytest.mark.parametrize(
    ("pairs", "letters"),
    [
        ([], ["a", "a", "a", "a"]),
        ([(0, 3)], ["a", "ab", "ab", "b"]),
        ([(0, 2), (0, 3), (1, 3)], ["a", "ab", "bc", "c"]),
        ([(0, 1)], ["a", "b", "ab", "ab"]),
        (list(combinations(range(4), 2)), ["a", "b", "c", "d"]),
    ],
)
def test_letters_by_hand(pairs, letters):
    assert tie_letters(_apart(4, pairs)) == letters


@given(st.integers(1, 9).flatmap(lambda n: arrays(bool, (n, n), elements=st.booleans())))
def test_rows_share_a_letter_if_and_only_if_they_are_not_told_apart(drawn):
    apart = (drawn | drawn.T) & ~np.eye(len(drawn), dtype=bool)
    letters = tie_letters(apart)
    for one, other in combinations(range(len(apart)), 2):
        assert bool(set(letters[one]) & set(letters[other])) == (not apart[one, other])


def test_more_groups_than_letters_are_numbered():
    letters = tie_letters(_apart(28, combinations(range(28), 2)))
    assert letters[25:] == ["z", "a1", "b1"]


def test_too_many_groups_are_given_up():
    pairs = [(2 * place, 2 * place + 1) for place in range(10)]  # 2 to the power of 10 groups
    assert MANY_GROUPS < 2**10
    assert tie_letters(_apart(20, pairs)) == [""] * 20


def test_no_rows_have_no_letters():
    assert tie_letters(np.zeros((0, 0), dtype=bool)) == []


# intervals of means


def test_units_that_agree_give_an_interval_without_width():
    (interval,) = mean_intervals([[0.5] * 6])
    assert (interval.low, interval.high) == (0.5, 0.5)


def test_few_units_have_students_interval():
    (interval,) = mean_intervals([[1.0, 2.0, 3.0]])
    assert interval.low == pytest.approx(2 - 4.302653 / np.sqrt(3))
    assert interval.high == pytest.approx(2 + 4.302653 / np.sqrt(3))


def test_one_that_stands_out_among_equals_moves_both_ends():
    (interval,) = mean_intervals([[0.0, 0.0, 0.0, 0.0, 1.0]])
    assert -1.5 < interval.low < 0 < 0.2 < interval.high < 1.5


@given(arrays(np.float64, st.integers(2, 9), elements=st.floats(-1, 1, width=16)), st.sampled_from([-2.0, 0.5, 64.0]))
def test_intervals_follow_the_unit_of_the_metric(values, factor):
    (interval,) = mean_intervals([values])
    (scaled,) = mean_intervals([values * factor])
    ends = sorted([interval.low * factor, interval.high * factor])
    np.testing.assert_allclose([scaled.low, scaled.high], ends, atol=1e-9)
