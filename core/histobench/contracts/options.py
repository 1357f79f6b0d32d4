"""A method's options: a frozen dataclass, checked when it is built from plain values."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from histobench.contracts.cards import MethodCard
from histobench.contracts.protocols import Options
from histobench.errors import ConfigError, did_you_mean

__all__ = ["Setting", "checked_options", "invalid", "options_from_json", "options_to_json"]

Setting = Any  # Any: the scalars and lists of YAML
_Options = TypeVar("_Options")


def options_from_json(card: MethodCard, values: Mapping[str, Setting]) -> Options:
    """Build a method's options from plain values; raises as `checked_options` does."""
    return checked_options(card.options, values, of=card.name)


def checked_options(options: type[_Options], values: Mapping[str, Setting], *, of: str) -> _Options:
    """Build a dataclass of options from plain values; missing options get their defaults.

    Parameters
    ----------
    of
        Name of the owner of the options, such as a method.

    Raises
    ------
    ConfigError
        For an unknown option or a value of the wrong type.
    """
    names = {field.name for field in fields(options)}  # type: ignore[arg-type]  # all options are dataclasses
    for name in values:
        if name not in names:  # pydantic ignores unknown keys of a stdlib dataclass
            raise did_you_mean(f"option of {of!r}", name, names)
    try:
        return TypeAdapter(options).validate_python(dict(values))
    except (ValidationError, ValueError) as error:
        raise ConfigError(invalid(error, where=f"options of {of!r}: ")) from error


def options_to_json(card: MethodCard, options: Options) -> dict[str, Setting]:
    """Return all of a method's options as JSON values."""
    values: dict[str, Setting] = TypeAdapter(card.options).dump_python(options, mode="json")
    return values


def invalid(error: Exception, *, where: str) -> str:
    """Return the first error of a validation as one sentence that begins with ``where``."""
    if not isinstance(error, ValidationError):
        return f"{where}{error}"
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    text = first["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{where}{place!r}: {text.lower()}, got {first['input']!r}." if place else f"{where}{text}."
