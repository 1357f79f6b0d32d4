"""Names of things that are imported when they are first used, so that a card costs nothing to list."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

__all__ = ["Lazy", "lazy", "lazy_value"]


@dataclass(frozen=True, slots=True)
class Lazy:
    """Something in a module that is not imported yet.

    Attributes
    ----------
    target
        ``module:attribute``.
    is_value
        True if a call returns the thing itself, False if a call is passed on to it.
    """

    target: str
    is_value: bool = False

    def resolve(self) -> Any:  # Any: whatever the module holds
        """Import the module and return the attribute.

        Raises
        ------
        ImportError
            If there is no such module or attribute.
        """
        module, _, attribute = self.target.partition(":")
        try:
            return getattr(import_module(module), attribute)
        except AttributeError as error:
            raise ImportError(f"module {module!r} has no attribute {attribute!r}.") from error

    def __call__(self, *args: Any, **named: Any) -> Any:  # Any: what the thing takes and returns
        """Return the thing, or what it returns when it is called."""
        found = self.resolve()
        return found if self.is_value else found(*args, **named)


def lazy(target: str) -> Lazy:
    """Make a function that imports ``module:attribute`` when it is called, and calls it: for a card's ``build``."""
    return Lazy(target)


def lazy_value(target: str) -> Lazy:
    """Make a function that imports ``module:attribute`` when it is called, and returns it: for a metric's ``build``."""
    return Lazy(target, is_value=True)
