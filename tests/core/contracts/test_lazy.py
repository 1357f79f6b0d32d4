"""What is imported when it is first used, and how a wrong name is reported."""

from pathlib import Path

import pytest

from histobench import lazy, lazy_value


def test_a_call_is_passed_on() -> None:
    assert lazy("fractions:Fraction")(1, 2).denominator == 2


def test_a_value_is_returned_as_it_is() -> None:
    assert lazy_value("math:tau")() == pytest.approx(6.283, abs=1e-3)


@pytest.mark.parametrize(
    ("target", "message"),
    [("math:tauu", "module 'math' has no attribute 'tauu'"), ("math", "expected 'module:attribute', got 'math'")],
)
def test_a_wrong_name_is_reported(target: str, message: str) -> None:
    with pytest.raises(ImportError, match=message):
        lazy(target).resolve()


def test_an_error_inside_the_module_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aged.py").write_text("import math\nmath.removed_long_ago\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AttributeError, match="removed_long_ago"):
        lazy("aged:build").resolve()
