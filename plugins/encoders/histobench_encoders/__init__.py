"""The built-in image encoders."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from histobench import hookimpl, lazy_value

if TYPE_CHECKING:
    from histobench import EncoderCard

__all__ = ["register_encoders"]


@hookimpl
def register_encoders() -> "Iterable[EncoderCard]":
    """Return the cards of the built-in encoders."""
    cards: Iterable[EncoderCard] = lazy_value("histobench_encoders.catalogue:CARDS")()
    return cards
