"""The labels of a dataset's spots, for analyses that compare predictions with them."""

from collections.abc import Mapping
from pathlib import Path

from histobench.contracts.registry import Registry
from histobench.results.records import RunRecord
from histobench.study.side_targets import source_of

__all__ = ["slide_labels"]


def slide_labels(record: RunRecord, registry: Registry, data_root: Path | None, /) -> dict[str, Mapping[str, str]]:
    """Read the classes of a job's test slides: slide → spot → class; slides without labels are left out."""
    card = registry.datasets.get(record.job.dataset)
    source = source_of("label", card)
    if source is None:
        return {}
    dataset = card.build(data_root)
    found: dict[str, Mapping[str, str]] = {}
    for slide in dataset.slides(source):
        if slide.id in record.job.test:
            table = dataset.table(slide, source)
            if table.targets is not None:
                classes = table.targets.values.argmax(axis=1)
                names = table.targets.names
                found[slide.id] = {spot: names[c] for spot, c in zip(table.spot_ids, classes, strict=True)}
    return found
