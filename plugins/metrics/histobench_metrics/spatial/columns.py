"""Names of the columns that the spatial metrics have."""

__all__ = ["AGREEMENT"]

AGREEMENT = ("pearson", "spearman", "scaled cosine")
"""Columns: how the R of the pairs on the two sides are compared."""
