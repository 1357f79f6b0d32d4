"""One order of averaging: targets or the headline, seeds, slides, patients."""

import math

import pytest

from histobench.results.statistics.averages import slide_scores, unit_scores


@pytest.fixture
def seeds(make_record):
    """Two seeds of one configuration, on two slides of patient A and one of patient B."""
    first = make_record({"A1": [0.0, 0.2], "A2": [0.5, math.nan], "B1": [math.nan, math.nan]})
    second = make_record({"A1": [0.4, 0.6], "A2": [0.7, 0.9], "B1": [math.nan, math.nan]}, seed=1)
    return [(record, slide_scores(record.scores["pearson"])) for record in (first, second)]


def test_targets_that_are_defined_are_averaged(seeds):
    assert seeds[0][1] == pytest.approx({"A1": 0.1, "A2": 0.5, "B1": math.nan}, nan_ok=True)


def test_seeds_are_averaged_before_the_slides_of_a_patient(seeds):
    assert unit_scores(seeds, "slides") == pytest.approx({"A1": 0.3, "A2": 0.65, "B1": math.nan}, nan_ok=True)
    assert unit_scores(seeds, "patients") == pytest.approx({"A": 0.475, "B": math.nan}, nan_ok=True)


def test_a_metric_with_a_headline_is_read_by_it_and_by_column_on_request(seeds):
    table = seeds[0][0].scores["pearson"].model_copy(update={"columns": ("x", "y"), "headline": "y"})
    assert slide_scores(table) == pytest.approx({"A1": 0.2, "A2": math.nan, "B1": math.nan}, nan_ok=True)
    assert slide_scores(table, column="x")["A2"] == 0.5
    assert slide_scores(table, {"A1": [0.9, math.nan]}) == pytest.approx({"A1": math.nan}, nan_ok=True)
