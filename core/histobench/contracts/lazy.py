"""Names of objects that are imported when they are first used, so that cards can be listed without heavy imports."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

__all__ = ["Lazy", "lazy", "lazy_value"]


@dataclass(frozen=True, slots=True)
class Lazy:
    """An object in a module that is not imported yet.

    Attributes
    ----------
    target
        ``module:attribute``.
    is_value
        True if a call returns the object, False if a call calls it.
    """

    target: str
    is_value: bool = False

    def resolve(self) -> Any:  # Any: an attribute of any module
        """Import the module and return the attribute.

        Raises
        ------
        ImportError
            If there is no such module or attribute; an error inside the module is raised as it is.
        """
        module, _, attribute = self.target.partition(":")
        if not attribute:
            raise ImportError(f"expected 'module:attribute', got {self.target!r}.")
        found = import_module(module)
        if not hasattr(found, attribute):
            raise ImportError(f"module {module!r} has no attribute {attribute!r}.")
        return getattr(found, attribute)

    def __call__(self, *args: Any, **named: Any) -> Any:  # Any: the arguments of any function
        """Return the object, or call it and return its result."""
        found = self.resolve()
        return found if self.is_value else found(*args, **named)


def lazy(target: str) -> Lazy:
    """Return a function that imports ``module:attribute`` and calls it: for a card's ``build``."""
    return Lazy(target)


def lazy_value(target: str) -> Lazy:
    """Return a function that imports ``module:attribute`` and returns it: for a metric's ``build``."""
    return Lazy(target, is_value=True)
