"""Options of the method, in a module of their own, so that the card does not import the method."""

from dataclasses import dataclass

__all__ = ["NearestOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestOptions:
    """The number of training spots to average."""

    neighbours: int = 5  # Fix & Hodges (1951) give no value; five is a common choice
