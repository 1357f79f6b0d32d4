"""Built-in datasets: her2st as its publisher ships it, and generated tissue with a known truth."""

from collections.abc import Iterable

from histobench import DatasetCard, hookimpl
from histobench_datasets.catalogue import DATASETS

__all__ = ["register_datasets"]


@hookimpl
def register_datasets() -> Iterable[DatasetCard]:
    """Return the cards of the built-in datasets."""
    return DATASETS
