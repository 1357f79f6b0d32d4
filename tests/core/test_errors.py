"""Every error is one sentence, a `HistobenchError`, and the builtin that a caller would expect."""

import inspect

import pytest

from histobench import errors
from histobench.errors import HistobenchError, UnknownNameError, did_you_mean

CLASSES = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, Exception)]


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_error_is_a_histobench_error(error: type[Exception]) -> None:
    assert issubclass(error, HistobenchError)
    assert error.__name__ in errors.__all__


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.ShapeError, ValueError),
        (errors.DataError, ValueError),
        (errors.LeakageError, ValueError),
        (errors.ConfigError, ValueError),
        (errors.UnknownNameError, errors.ConfigError),
        (errors.UnknownNameError, KeyError),
        (errors.StoreError, OSError),
        (errors.ContractError, AssertionError),
    ],
)
def test_error_is_the_builtin_that_a_caller_expects(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, builtin)


def test_mistyped_name_gets_the_nearest_and_all_known() -> None:
    error = did_you_mean("method", "hist2cel", ["ridge", "hist2cell", "cuca"])
    assert str(error) == "no method named 'hist2cel'. Did you mean 'hist2cell'? Known: cuca, hist2cell, ridge."


def test_name_like_no_other_gets_no_guess() -> None:
    assert str(did_you_mean("method", "zzz", ["ridge"])) == "no method named 'zzz'. Known: ridge."
    many = str(did_you_mean("gene", "zzz", [f"g{number}" for number in range(100, 200)]))
    assert many.endswith("g128, g129, … (100 in all).")


def test_name_where_nothing_is_installed() -> None:
    assert str(did_you_mean("metric", "pearson", [])) == "no metric named 'pearson'. There is none."


def test_unknown_name_shows_its_sentence_without_quotes() -> None:
    assert str(UnknownNameError("no such thing.")) == "no such thing."


def test_unknown_name_is_told_where_it_stands() -> None:
    error = did_you_mean("setting", "sead", ["seed"], where="study.yaml")
    assert str(error) == "study.yaml: no setting named 'sead'. Did you mean 'seed'? Known: seed."
