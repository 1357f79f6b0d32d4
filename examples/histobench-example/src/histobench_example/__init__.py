"""A complete histobench plugin: one encoder, one method, one dataset, one metric.

This module is the entry point. A function with the name of a hook and the marker ``hookimpl`` is called when histobench
lists plugins, so it must be fast: it returns cards and imports nothing heavy.
"""

from collections.abc import Iterable

from histobench import DatasetCard, EncoderCard, MethodCard, MetricCard, hookimpl
from histobench_example.catalogue import DATASETS, ENCODERS, METHODS, METRICS

__all__ = ["register_datasets", "register_encoders", "register_methods", "register_metrics"]


@hookimpl
def register_encoders() -> Iterable[EncoderCard]:
    """Return the card of the encoder."""
    return ENCODERS


@hookimpl
def register_methods() -> Iterable[MethodCard]:
    """Return the card of the method."""
    return METHODS


@hookimpl
def register_datasets() -> Iterable[DatasetCard]:
    """Return the card of the dataset."""
    return DATASETS


@hookimpl
def register_metrics() -> Iterable[MetricCard]:
    """Return the card of the metric."""
    return METRICS
