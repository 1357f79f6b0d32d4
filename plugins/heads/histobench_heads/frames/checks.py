"""Checks of numbers among a method's options; no import here is heavy."""

from collections.abc import Callable

from histobench import ConfigError

__all__ = ["at_least", "not_negative", "positive", "shares"]


def at_least(options: object, least: int, *names: str) -> None:
    """Refuse an option below a number; ``None`` passes, here and in the other checks."""
    _check(options, names, lambda value: value >= least, f"be at least {least}")


def positive(options: object, *names: str) -> None:
    """Refuse an option that is not above zero."""
    _check(options, names, lambda value: value > 0, "be positive")


def not_negative(options: object, *names: str) -> None:
    """Refuse an option below zero."""
    _check(options, names, lambda value: value >= 0, "not be negative")


def shares(options: object, *names: str) -> None:
    """Refuse an option outside [0, 1)."""
    _check(options, names, lambda value: 0 <= value < 1, "be at least 0 and less than 1")


def _check(options: object, names: tuple[str, ...], holds: Callable[[float], bool], must: str) -> None:
    for name in names:
        value = getattr(options, name)
        if value is not None and not holds(value):
            raise ConfigError(f"{name} must {must}, got {value}.")
