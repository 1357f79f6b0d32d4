"""Names of a package that are imported when they are first used, so that importing the package loads nothing heavy."""

from collections.abc import Callable, Mapping
from importlib import import_module

__all__ = ["exports"]


def exports(package: str, names: Mapping[str, str]) -> Callable[[str], object]:
    """Make the ``__getattr__`` of a package.

    Parameters
    ----------
    package
        The package's ``__name__``.
    names
        Module → the names that the package exports from it, separated by spaces.
    """
    modules = {name: module for module, listed in names.items() for name in listed.split()}

    def get(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(modules[name]), name)

    return get
