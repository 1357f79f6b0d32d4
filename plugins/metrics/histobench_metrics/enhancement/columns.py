"""Names of the columns that the metrics of enhancement have."""

__all__ = ["CONTRAST", "MEANINGS"]

CONTRAST = ("enhanced auroc", "raw auroc", "enhanced variance between", "raw variance between")
"""Columns of the contrast of regions."""

MEANINGS = {
    "marker-contrast": {
        "enhanced auroc": "how well a gene, enhanced, finds the region in which its raw mean is highest; 0.5 by chance",
        "raw auroc": "how well it does so raw",
        "enhanced variance between": "share of the variance of enhanced expression that lies between regions",
        "raw variance between": "the same of the raw counts",
    },
}
"""Metric → what its columns say."""
