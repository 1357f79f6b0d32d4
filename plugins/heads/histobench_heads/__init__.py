"""The methods of histobench, and the controls that give their scores a scale."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from histobench import hookimpl, lazy_value

if TYPE_CHECKING:
    from histobench import MethodCard

__all__ = ["register_methods"]


@hookimpl
def register_methods() -> "Iterable[MethodCard]":
    """Register the cards of all methods."""
    cards: Iterable[MethodCard] = lazy_value("histobench_heads.catalogue:METHODS")()
    return cards
