"""What all jobs of a study share; light, so that planning a study loads no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from histobench.contracts.cards import MetricCard
from histobench.contracts.registry import Registry
from histobench.results.records import JobSpec

__all__ = ["Progress", "Workspace", "now"]

Progress = Callable[[JobSpec, int, Mapping[str, float]], None]
"""Receives a job, an epoch, and its named numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What all jobs of a study share; it is sent to worker processes.

    Attributes
    ----------
    registry
        The installed plugins, once a process: a worker process loads its own when it receives the workspace.
    metrics
        Names of the metrics to score with.
    since
        When the study began, ISO 8601: a job that failed before is tried again, one that failed since is not.
    progress
        Called after every epoch; only where jobs run in this process.
    """

    out: Path
    registry: Registry
    metrics: tuple[str, ...]
    data_root: Path | None = None
    since: str = ""
    progress: Progress | None = None

    def metric_cards(self) -> list[MetricCard]:
        """Return the cards of the metrics to score with."""
        return [self.registry.metrics.get(name) for name in self.metrics]


def now() -> str:
    """Return the time as records store it: UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
