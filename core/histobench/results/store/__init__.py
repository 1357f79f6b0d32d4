"""The output folder: one folder per job, with its record and its predictions."""

from histobench.results.store.folders import JobFolder, Store, write_history
from histobench.results.store.predictions import read_predictions, read_training, write_predictions

__all__ = [
    "JobFolder",
    "Store",
    "read_predictions",
    "read_training",
    "write_history",
    "write_predictions",
]
