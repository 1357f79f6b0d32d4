"""The kit finds the metric that breaks each promise."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from histobench import Float, MetricCard
from histobench.testing import ContractError, check_metric

Score = Callable[[Float, Float], Float]


def absolute_error(predicted: Float, observed: Float, /) -> Float:
    error: Float = np.abs(predicted.astype(np.float64) - observed).mean(axis=0)
    return error


def card(score: Score = absolute_error) -> MetricCard:
    return MetricCard(
        name="toy-error",
        title="mean absolute error",
        licence="CC0-1.0",
        build=lambda: score,  # type: ignore[arg-type,return-value]  # positional-only names
        kinds=("cell_abundance",),
        higher_is_better=False,
        lowest=0.0,
    )


def flattened(predicted: Float, observed: Float) -> Float:
    return absolute_error(predicted, observed)[:1]


def single_precision(predicted: Float, observed: Float) -> Float:
    return absolute_error(predicted, observed).astype(np.float32)


def weighted_by_place(predicted: Float, observed: Float) -> Float:
    weights = np.arange(1, len(predicted) + 1)[:, None]
    error: Float = (np.abs(predicted - observed) * weights).mean(axis=0, dtype=np.float64)
    return error


def weighted_by_column(predicted: Float, observed: Float) -> Float:
    return absolute_error(predicted, observed) * np.arange(1, predicted.shape[1] + 1)


def in_place(predicted: Float, observed: Float) -> Float:
    predicted -= observed
    error: Float = np.abs(predicted).mean(axis=0, dtype=np.float64)
    return error


def relative_to_all(predicted: Float, observed: Float) -> Float:
    return absolute_error(predicted, observed) / (1 + observed.std(axis=0).sum(dtype=np.float64))


def infinite_when_constant(predicted: Float, observed: Float) -> Float:
    error = absolute_error(predicted, observed)
    error[np.ptp(observed, axis=0) == 0] = np.inf
    return error


def negative(predicted: Float, observed: Float) -> Float:
    return -absolute_error(predicted, observed)


def offset(predicted: Float, observed: Float) -> Float:
    return absolute_error(predicted, observed) + 1.0


def always_undefined(predicted: Float, observed: Float) -> Float:
    return np.full(predicted.shape[1], np.nan)


def random_score(predicted: Float, observed: Float) -> Float:
    return absolute_error(predicted, observed) + np.random.default_rng().random(predicted.shape[1])


def global_generator(predicted: Float, observed: Float) -> Float:
    np.random.random()  # noqa: NPY002 -- the offence
    return absolute_error(predicted, observed)


def chatty(predicted: Float, observed: Float) -> Float:
    print("scoring")
    return absolute_error(predicted, observed)


def test_honest_metric_passes() -> None:
    check_metric(card())


@pytest.mark.parametrize(
    ("score", "sentence"),
    [
        (flattened, r"scores must be \(5,\), got \(1,\)"),
        (single_precision, "scores are float64, got float32"),
        (weighted_by_place, "the order of the spots changes the score"),
        (weighted_by_column, "the order of the targets changes the score"),
        (in_place, "changes what it is given"),
        (relative_to_all, "the score of a target depends on the targets beside it"),
        (infinite_when_constant, "an undefined score is NaN, never infinite"),
        (negative, "a score is outside"),
        (offset, "not its card's best, 0.0"),
        (always_undefined, "undefined on ordinary spots"),
        (random_score, "changes the score|scores the same spots differently"),
        (global_generator, "draws from or seeds numpy's global generator"),
        (chatty, "prints 'scoring"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_broken_metric_is_told_apart(score: Score, sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        check_metric(card(score))


def test_metric_that_ranks_backwards_is_told_apart() -> None:
    with pytest.raises(ContractError, match="a perfect prediction does not beat a noisy one"):
        check_metric(replace(card(), higher_is_better=True))


@pytest.mark.parametrize(
    ("fact", "value", "sentence"),
    [
        ("name", "Toy_Error", "a name is lower-case kebab"),
        ("title", " ", "its card has no title"),
        ("title", "two\nlines", "longer than one line"),
        ("licence", "", "its card has no licence"),
        ("revision", "", "its card has no revision"),
        ("url", "example.org", "'example.org' is no web address"),
        ("kinds", (), "scores no kind of target"),
        ("lowest", float("inf"), "leave no room"),
    ],
)
def test_missing_fact_is_told(fact: str, value: object, sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        check_metric(replace(card(), **{fact: value}))  # type: ignore[arg-type]  # one wrong fact at a time
