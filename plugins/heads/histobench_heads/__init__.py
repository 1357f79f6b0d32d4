"""The methods that histobench brings along, and the controls that give their scores a scale."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from histobench import hookimpl, lazy_value

if TYPE_CHECKING:
    from histobench import MethodCard

__all__ = ["register_methods"]


@hookimpl
def register_methods() -> "Iterable[MethodCard]":
    """Give the cards of all methods in this package."""
    cards: Iterable[MethodCard] = lazy_value("histobench_heads.catalogue:METHODS")()
    return cards
