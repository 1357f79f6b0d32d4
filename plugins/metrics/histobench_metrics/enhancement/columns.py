"""Names of the columns that the metrics of enhancement have."""

__all__ = ["CONTRAST"]

CONTRAST = ("enhanced auroc", "raw auroc", "enhanced variance between", "raw variance between")
"""Columns of the contrast of regions."""
