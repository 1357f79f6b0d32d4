"""The built-in image encoders."""

from collections.abc import Iterable

from histobench import EncoderCard, hookimpl
from histobench_encoders.catalogue import CARDS

__all__ = ["register_encoders"]


@hookimpl
def register_encoders() -> Iterable[EncoderCard]:
    """Return the cards of the built-in encoders."""
    return CARDS
