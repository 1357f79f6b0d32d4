"""Options of the method; apart from it, so that its card does not import it."""

from dataclasses import dataclass

__all__ = ["NearestOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestOptions:
    """How many training spots vote."""

    neighbours: int = 5  # Fix & Hodges (1951) leave it open; five is the usual start
