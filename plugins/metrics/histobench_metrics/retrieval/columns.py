"""Names of the columns that the metrics of retrieval have."""

__all__ = ["COSINES", "DIRECTIONS", "RECALLS"]

DIRECTIONS = ("image to expression", "expression to image")
"""Columns: what asks, and what is found."""

_DEPTHS = ("at 1", "at 5", "at 10")

RECALLS = (*(f"{way} {depth}" for way in (*DIRECTIONS, "chance") for depth in _DEPTHS), "gallery")
"""Columns of the recall."""

COSINES = ("paired", "unpaired", "difference", "modality gap")
"""Columns of the cosines."""
