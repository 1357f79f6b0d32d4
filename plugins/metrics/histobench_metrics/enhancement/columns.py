"""Names of the columns of the contrast between regions."""

__all__ = ["CONTRAST", "MEANINGS"]

CONTRAST = ("enhanced auroc", "raw auroc", "enhanced variance between", "raw variance between")
"""Columns of ``marker-contrast``."""

MEANINGS = {
    "marker-contrast": {
        "enhanced auroc": "how well a gene, enhanced, finds the region in which its raw mean is highest; 0.5 by chance",
        "raw auroc": "the same for raw expression",
        "enhanced variance between": "share of the variance of enhanced expression that is between regions",
        "raw variance between": "the same for raw expression",
    },
}
"""Metric → what its columns mean."""
