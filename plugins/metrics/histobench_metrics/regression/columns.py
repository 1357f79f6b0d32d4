"""Names of the columns of the metrics that hist2scRNA reports."""

__all__ = ["CORRELATIONS", "ERRORS", "LEVELS"]

CORRELATIONS = (
    "overall", "gene mean", "gene median", "gene mean, left out as 0", "spot mean", "spot median", "spot lowest",
    "spot highest",
)  # fmt: skip
"""Columns of a correlation. The fourth is ours: genes that are left out count as 0, so no collapse can improve it."""

ERRORS = ("overall", "gene mean")
"""Columns of an error."""

LEVELS = ("0-1", "1-5", "5-10", "10-50", "50+")
"""Bins of observed values; a bin of ten values or fewer is undefined."""
