"""The kit finds the metric that breaks each promise."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from histobench import Float, MetricCard, ScoreContext
from histobench.testing import ContractError, check_metric

Score = Callable[..., Float]


def squared_error(predicted: Float, observed: Float, /) -> Float:
    error: Float = ((predicted.astype(np.float64) - observed) ** 2).mean(axis=0)
    return error


def card(score: Score = squared_error) -> MetricCard:
    return MetricCard(
        name="toy-error",
        title="mean squared error",
        licence="CC0-1.0",
        build=lambda: score,  # type: ignore[arg-type,return-value]  # positional-only names
        kinds=("cell_abundance",),
        higher_is_better=False,
        lowest=0.0,
    )


def flattened(predicted: Float, observed: Float) -> Float:
    return squared_error(predicted, observed)[:1]


def single_precision(predicted: Float, observed: Float) -> Float:
    return squared_error(predicted, observed).astype(np.float32)


def weighted_by_place(predicted: Float, observed: Float) -> Float:
    weights = np.arange(1, len(predicted) + 1)[:, None]
    error: Float = (np.abs(predicted - observed) * weights).mean(axis=0, dtype=np.float64)
    return error


def weighted_by_column(predicted: Float, observed: Float) -> Float:
    return squared_error(predicted, observed) * np.arange(1, predicted.shape[1] + 1)


def in_place(predicted: Float, observed: Float) -> Float:
    predicted -= observed
    error: Float = np.abs(predicted).mean(axis=0, dtype=np.float64)
    return error


def relative_to_all(predicted: Float, observed: Float) -> Float:
    return squared_error(predicted, observed) / (1 + observed.std(axis=0).sum(dtype=np.float64))


def infinite_when_constant(predicted: Float, observed: Float) -> Float:
    error = squared_error(predicted, observed)
    error[np.ptp(observed, axis=0) == 0] = np.inf
    return error


def negative(predicted: Float, observed: Float) -> Float:
    return -squared_error(predicted, observed)


def offset(predicted: Float, observed: Float) -> Float:
    return squared_error(predicted, observed) + 1.0


def always_undefined(predicted: Float, observed: Float) -> Float:
    return np.full(predicted.shape[1], np.nan)


def random_score(predicted: Float, observed: Float) -> Float:
    return squared_error(predicted, observed) + np.random.default_rng().random(predicted.shape[1])


def global_generator(predicted: Float, observed: Float) -> Float:
    np.random.random()  # noqa: NPY002 -- the offence
    return squared_error(predicted, observed)


def chatty(predicted: Float, observed: Float) -> Float:
    print("scoring")
    return squared_error(predicted, observed)


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
        (relative_to_all, "the score of a target depends on the other targets"),
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
        ("url", "example.org", "'example.org' is not a web address"),
        ("kinds", (), "scores no kind of target"),
        ("lowest", float("inf"), "leave no room"),
    ],
)
def test_missing_fact_is_told(fact: str, value: object, sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        check_metric(replace(card(), **{fact: value}))  # type: ignore[arg-type]  # one wrong fact at a time


def coverage(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    inside = (context.parameters["low"] <= observed) & (observed <= context.parameters["high"])
    share: Float = inside.mean(axis=0, dtype=np.float64)
    return share


def nearest_place(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Look at places in the order in which the spots are given."""
    steps = np.diff(context.xy_um[:, 0], prepend=0.0)[:, None]
    error: Float = (np.abs(predicted - observed) * (1 + np.abs(steps))).mean(axis=0, dtype=np.float64)
    return error


def two_errors(predicted: Float, observed: Float, /) -> Float:
    error = squared_error(predicted, observed)
    return np.array([error.mean(), error.max()]) if error.size else np.full(2, np.nan)


COLUMNS = {"columns": ("mean", "largest"), "view": "slide"}


def test_metric_of_named_columns_passes() -> None:
    check_metric(replace(card(two_errors), **COLUMNS))  # type: ignore[arg-type]  # facts of several types


def test_metric_with_needs_is_given_them() -> None:
    facts = {"needs": ("interval",), "higher_is_better": True, "highest": 1.0, "gamed_by": "wide intervals"}
    check_metric(replace(card(coverage), **facts))  # type: ignore[arg-type]  # facts of several types


def test_what_goes_with_a_spot_is_shuffled_with_it() -> None:
    with pytest.raises(ContractError, match="the order of the spots changes the score"):
        check_metric(replace(card(nearest_place), needs=("place",)))


def test_columns_of_another_number_are_told() -> None:
    with pytest.raises(ContractError, match=r"scores must be \(3,\), got \(2,\)"):
        check_metric(replace(card(two_errors), columns=("mean", "largest", "least")))


def test_headline_that_is_no_column_is_told() -> None:
    with pytest.raises(ContractError, match="its headline 'median' is none of its columns"):
        check_metric(replace(card(two_errors), columns=("mean", "largest"), headline="median"))


def absolute_error(predicted: Float, observed: Float, /) -> Float:
    error: Float = np.abs(predicted.astype(np.float64) - observed).mean(axis=0)
    return error


def spread_difference(predicted: Float, observed: Float, /) -> Float:
    said, seen = (table.std(axis=0, dtype=np.float64) for table in (predicted, observed))
    difference: Float = np.abs(said - seen)
    return difference


def error_of_the_zeros(predicted: Float, observed: Float, /) -> Float:
    error: Float = np.where(observed > 0, 0.0, np.abs(predicted - observed)).mean(axis=0, dtype=np.float64)
    return error


def profile_error(predicted: Float, observed: Float, /) -> Float:
    """See each target's values, and not at which spot they lie."""
    error: Float = np.abs(np.sort(predicted, axis=0) - np.sort(observed, axis=0)).mean(axis=0, dtype=np.float64)
    return error


@pytest.mark.parametrize(
    ("score", "sentence"),
    [
        (absolute_error, "predicting nothing scores .*, better than the controls'"),  # where most spots have nothing
        (error_of_the_zeros, "predicting nothing scores 0, better than the controls'"),
        (spread_difference, "a good prediction scores .*, no better than the controls'"),
        (profile_error, "a good prediction scores .*, no better than the controls'"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_metric_that_rewards_ignorance_is_told_apart(score: Score, sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        check_metric(card(score))


def test_metric_that_says_how_it_is_gamed_may_be() -> None:
    check_metric(replace(card(profile_error), gamed_by="the right values at the wrong spots"))


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"gamed_by": "zeros"}, "it cannot rank because it is gamed by zeros"),
        ({"expensive": True}, "it ranks, and cannot"),
    ],
)
def test_metric_that_may_not_rank_is_told(facts: dict[str, object], sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        check_metric(replace(card(), ranks=True, **facts))  # type: ignore[arg-type]  # facts of several types


def test_name_may_say_whose_definition_it_is() -> None:
    check_metric(replace(card(), name="toy-error[lab-2024]"))
