"""A complete histobench plugin: one encoder, one method, one dataset, one metric.

This module is the entry point. A function here that bears a hook's name and the marker is called when histobench
lists what is installed, so it must be quick: it returns cards, and imports nothing heavy.
"""

from collections.abc import Iterable

from histobench import DatasetCard, EncoderCard, MethodCard, MetricCard, hookimpl
from histobench_example.catalogue import DATASETS, ENCODERS, METHODS, METRICS

__all__ = ["register_datasets", "register_encoders", "register_methods", "register_metrics"]


@hookimpl
def register_encoders() -> Iterable[EncoderCard]:
    """Return the encoder's card."""
    return ENCODERS


@hookimpl
def register_methods() -> Iterable[MethodCard]:
    """Return the method's card."""
    return METHODS


@hookimpl
def register_datasets() -> Iterable[DatasetCard]:
    """Return the dataset's card."""
    return DATASETS


@hookimpl
def register_metrics() -> Iterable[MetricCard]:
    """Return the metric's card."""
    return METRICS
