"""The methods that histobench brings along, and the controls that give their scores a scale."""

from collections.abc import Iterable

from histobench import MethodCard, hookimpl
from histobench_heads.catalogue import METHODS

__all__ = ["register_methods"]


@hookimpl
def register_methods() -> Iterable[MethodCard]:
    """Give the cards of all methods in this package."""
    return METHODS
