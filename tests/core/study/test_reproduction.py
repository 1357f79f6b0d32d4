"""Averages of published numbers: over folds or slides target by target, then over targets."""

import math

import pytest

from histobench.study.reproduction import reproduced

NAN = math.nan


def test_per_slide_averages_slides_first_and_skips_undefined_scores(make_record) -> None:
    records = [make_record({"A1": [0.2, NAN], "A2": [0.4, 0.9]}, fold="A"), make_record({"B1": [0.6, NAN]}, fold="B")]
    # target 1: (.2 + .4 + .6) / 3 = .4; target 2: .9 alone; the mean of all four defined scores would be .525
    assert reproduced(records, "pearson", "per slide") == pytest.approx(0.65)


def test_pooled_averages_folds_whatever_their_number_of_slides(make_record) -> None:
    # the pooled score of these records is that of their first slide
    records = [make_record({"A1": [0.2], "A2": [0.9]}, fold="A"), make_record({"B1": [0.6]}, fold="B")]
    assert reproduced(records, "pearson", "pooled per fold") == pytest.approx(0.4)


def test_folds_with_panels_of_their_own_are_averaged_one_by_one(make_record) -> None:
    one = make_record({"A1": [0.2, 0.4, 0.6]}, fold="A")
    other = make_record({"B1": [0.8]}, fold="B")
    assert reproduced([one, other], "pearson", "per slide") == pytest.approx((0.4 + 0.8) / 2)


def test_nothing_defined_is_nan(make_record) -> None:
    assert math.isnan(reproduced([make_record({"A1": [NAN]})], "pearson", "per slide"))
    assert math.isnan(reproduced([], "pearson", "per slide"))
