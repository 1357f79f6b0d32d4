"""How numbers are written and curves are drawn."""

import math
from dataclasses import replace

import pytest

from histobench.results.statistics import standings
from histobench_leaderboard.axis import axis_of, span_of
from histobench_leaderboard.charts import HEIGHT, WIDTH, charts
from histobench_leaderboard.text import duration, memory, number, signed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (-0.5, "−0.500"),
        (-1e-9, "0.000"),
        (math.nan, "undefined"),
        (None, "undefined"),
        (math.inf, "undefined"),
        (12345.6, "1.235e+04"),
    ],
)
def test_number(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.1, "+0.100"), (-0.1, "−0.100"), (0.0, "+0.000"), (math.nan, "undefined")]
)
def test_signed(value, text):
    assert signed(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.4 s"),
        (48.2, "48 s"),
        (59.7, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3900, "1 h 05 min"),
        (math.nan, "unknown"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("mebibytes", "text"), [(512.4, "512 MiB"), (2048, "2.0 GiB")])
def test_memory(mebibytes, text):
    assert memory(mebibytes) == text


def test_losses_and_validation_are_two_charts():
    epochs = [{"loss": 2.0, "lr": 0.1, "val_score": 0.1}, {"loss": 1.0, "lr": 0.1, "val_score": 0.3}]
    losses, validation = charts(epochs, 1)
    assert [line.name for line in losses.lines] == ["loss"]
    assert [line.name for line in validation.lines] == ["val_score"]
    assert losses.lines[0].pieces == (f"0.0,0.0 {WIDTH:.1f},{HEIGHT:.1f}",)
    assert losses.best == WIDTH


def test_learning_rates_are_on_no_axis_of_losses_and_a_stage_that_ended_keeps_its_last_value():
    (chart,) = charts([{"clip_loss": 3.0, "clip_lr": 0.1}, {"clip_loss": 2.0}, {"loss": 1.0, "lr": 0.1}], None)
    assert [(line.name, line.last) for line in chart.lines] == [("clip_loss", "2.0000"), ("loss", "1.0000")]


@pytest.mark.parametrize(("lowest", "low"), [(-math.inf, -0.5), (0.0, 0.0)])
def test_scores_take_a_third_of_the_axis_however_long_the_intervals(make_record, lowest, low):
    records = [
        make_record({f"{patient}1": [score]}, fold=patient, method=method)
        for method, scores in {"a": (0.05, 0.95), "b": (0.1, 0.2)}.items()
        for patient, score in zip("AB", scores, strict=True)
    ]
    (board,) = standings(records, "pearson")
    axis = axis_of(replace(board, lowest=lowest))
    assert (axis.low, axis.high) == (pytest.approx(low), pytest.approx(1.0))
    span = span_of(board.rows[0], axis)
    assert (span.low, span.high, span.cut_low, span.cut_high) == (0.0, 100.0, True, True)


def test_an_undefined_epoch_breaks_the_line():
    (chart,) = charts([{"loss": 3.0}, {"loss": None}, {"loss": 1.0}, {"loss": 2.0}], None)
    assert len(chart.lines[0].pieces) == 2


def test_a_loss_that_is_never_defined_draws_nothing():
    (chart,) = charts([{"loss": None}, {"loss": None}], None)
    assert chart.lines[0].pieces == ()


@pytest.mark.parametrize("epochs", [[], [{"loss": 1.0}]])
def test_less_than_two_epochs_make_no_curve(epochs):
    assert charts(epochs, 0) == []
