"""The output folder: a folder a job, its record written last and by rename, its predictions kept for later metrics."""

from histobench.store.files import new_hdf5, store_errors, write_atomically
from histobench.store.folders import JobFolder, Store, write_history
from histobench.store.predictions import read_predictions, read_training, write_predictions

__all__ = [
    "JobFolder",
    "Store",
    "new_hdf5",
    "read_predictions",
    "read_training",
    "store_errors",
    "write_atomically",
    "write_history",
    "write_predictions",
]
