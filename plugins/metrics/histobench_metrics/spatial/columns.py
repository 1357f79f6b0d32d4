"""Names of the columns that the spatial metrics have."""

__all__ = ["AGREEMENT"]

AGREEMENT = ("pearson", "spearman", "scaled cosine")
"""How the R of all pairs on the predicted maps agree with those on the observed maps."""
