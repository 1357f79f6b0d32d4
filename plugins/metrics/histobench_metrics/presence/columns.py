"""Names of the columns of hist2scRNA's score of zeros."""

__all__ = ["PUBLISHED"]

PUBLISHED = (
    "detection accuracy", "zero rate difference", "sensitivity", "specificity", "F1 of non-zeros", "MAE of non-zeros",
)  # fmt: skip
"""Columns of ``zero-inflation[hist2scrna]``."""
