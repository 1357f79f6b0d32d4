"""Boards brought together, against SciPy and the tables of Demsar (2006)."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import friedmanchisquare, rankdata

from histobench.results.statistics import across, across_rows, standings
from histobench.results.statistics.across import critical_difference, friedman

PATIENTS = "ABCDEF"


@pytest.fixture
def boards(make_record):
    """A function that makes a board per dataset from dataset -> method -> score; a control scores 0.2 on each."""

    def make(scores, **job):
        records = [
            make_record({f"{p}1": [score + place / 100]}, fold=p, method=method, dataset=dataset, **own, **job)
            for dataset, methods in scores.items()
            for method, score in {"mean": 0.2, **methods}.items()
            for own in [{"control": method == "mean"}]
            for place, p in enumerate(PATIENTS)
        ]
        return standings(records, "pearson")

    return make


def _row(summary, label):
    (row,) = [row for row in summary.rows if row.label == label]
    return row


# Friedman and Nemenyi


def test_friedman_agrees_with_scipy():
    values = np.random.default_rng(0).normal(size=(4, 9)) + np.arange(4)[:, None] / 2
    assert friedman(rankdata(-values, axis=0)) == pytest.approx(friedmanchisquare(*values).pvalue)


def test_friedman_with_ties_agrees_with_scipy():
    values = np.random.default_rng(0).integers(0, 3, size=(5, 8))
    assert friedman(rankdata(values, axis=0)) == pytest.approx(friedmanchisquare(*values).pvalue)


def test_friedman_of_equal_methods_is_one():
    assert friedman(np.full((3, 4), 2.0)) == 1


@pytest.mark.parametrize("shape", [(1, 5), (4, 1), (0, 0)])
def test_friedman_needs_two_methods_and_two_boards(shape):
    assert np.isnan(friedman(np.ones(shape)))
    assert np.isnan(critical_difference(*shape))


@pytest.mark.parametrize(("n_methods", "quantile"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_critical_difference_is_that_of_demsars_table(n_methods, quantile):
    expected = quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * 14))
    assert critical_difference(n_methods, 14) == pytest.approx(expected, rel=4e-4)


def test_demsars_worked_example_has_his_critical_difference():
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)  # four classifiers on fourteen datasets


@given(arrays(np.float64, st.tuples(st.integers(2, 5), st.integers(2, 6)), elements=st.integers(0, 9).map(float)))
def test_friedman_does_not_depend_on_the_order_of_methods_or_boards(values):
    table = rankdata(-values, axis=0)
    assert friedman(table[::-1, ::-1]) == pytest.approx(friedman(table))


# summary


def test_mean_ranks_and_skills_are_means_over_boards(boards):
    summary = across(boards({"d1": {"a": 0.6, "b": 0.4}, "d2": {"a": 0.3, "b": 0.8}, "d3": {"a": 0.7, "b": 0.5}}))
    row = _row(summary, "a")
    assert row.mean_rank == pytest.approx(4 / 3)
    assert (row.n_ranked, row.n_skill) == (3, 0)  # these records know no bound of their metric
    assert summary.n_complete == 2
    assert [row.label for row in summary.rows] == ["a", "b"]


def test_skill_is_the_mean_of_normalised_skills(make_record):
    records = [
        make_record({"A1": [score]}, method=method, dataset=dataset, control=method != "a", oracle=method == "oracle")
        for dataset, scores in {"d1": (0.2, 0.6, 1.0), "d2": (0.4, 0.5, 0.8)}.items()
        for method, score in zip(("mean", "a", "oracle"), scores, strict=True)
    ]
    row = _row(across(standings(records, "pearson")), "a")
    assert row.skill == pytest.approx((0.5 + 0.25) / 2)
    assert row.n_skill == 2


def test_a_method_that_misses_a_board_has_no_mean_rank_and_moves_no_other(boards):
    full = {"d1": {"a": 0.6, "b": 0.4}, "d2": {"a": 0.3, "b": 0.8}}
    with_gap = {"d1": {**full["d1"], "c": 0.9}, "d2": full["d2"]}
    one, other = across(boards(full)), across(boards(with_gap))
    row = _row(other, "c")
    assert (row.mean_rank, row.n_ranked, row.ties) == (None, 1, "")
    assert other.rows[-1] == row
    assert [_row(one, name).mean_rank for name in "ab"] == [_row(other, name).mean_rank for name in "ab"]
    assert "1 methods are missing on a board, or on slides of one: they have no mean rank." in other.warnings


def test_methods_are_lettered_by_the_critical_difference(boards):
    scores = {f"d{place}": {"a": 0.9, "b": 0.5 + 0.001 * (-1) ** place, "c": 0.5} for place in range(12)}
    summary = across(boards(scores))
    assert summary.friedman_p < 0.001
    assert summary.critical_difference == pytest.approx(2.343 * np.sqrt(12 / 72), rel=1e-3)
    assert [row.ties for row in summary.rows] == ["a", "b", "b"]
    assert _row(summary, "a").rank_range == (1, 1)
    assert _row(summary, "b").rank_range == (2, 3)


def test_without_friedman_nobody_is_told_apart(boards):
    summary = across(boards({"d1": {"a": 0.6, "b": 0.4}, "d2": {"a": 0.6, "b": 0.4}}))
    assert summary.friedman_p > 0.05
    assert [row.ties for row in summary.rows] == ["a", "a"]


def test_leaking_boards_are_left_out(boards):
    scores = {"d1": {"a": 0.6, "b": 0.4}}
    summary = across(boards(scores) + boards({"d2": scores["d1"]}, scheme="leave-one-slide-out", leaks=True))
    assert len(summary.boards) == 1
    assert summary.warnings[:2] == (
        "1 boards of leaking schemes are left out.",
        "fewer than two boards: there is nothing to compare across.",
    )


def test_boards_of_one_dataset_are_warned_of(boards):
    scores = {"d1": {"a": 0.6, "b": 0.4}}
    summary = across(boards(scores) + boards(scores, target="cell_abundance:major"))
    assert any("share a dataset" in warning for warning in summary.warnings)
    assert any(warning.startswith("2 boards only") for warning in summary.warnings)


def test_no_boards_say_nothing():
    summary = across([])
    assert (summary.rows, summary.boards) == ((), ())
    assert np.isnan(summary.critical_difference)


def test_order_of_boards_does_not_matter(boards):
    given = boards({"d1": {"a": 0.6, "b": 0.4}, "d2": {"a": 0.3, "b": 0.8}, "d3": {"a": 0.1, "b": 0.2}})
    one, other = across(given), across(given[::-1])
    assert [row.mean_rank for row in one.rows] == [row.mean_rank for row in other.rows]
    assert one.friedman_p == pytest.approx(other.friedman_p)


def test_summary_rows_are_plain_json(boards):
    flat = across_rows(across(boards({"d1": {"a": 0.6, "b": 0.4}, "d2": {"a": 0.3}})))
    assert json.loads(json.dumps(flat, allow_nan=False)) == flat
    assert [(row["method"], row["n_ranked"], row["n_boards"]) for row in flat] == [("a", 2, 2), ("b", 1, 2)]
    assert flat[0]["unit"] == "boards"
