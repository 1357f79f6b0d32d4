"""Analyses of a finished study: tables and figures in addition to the standings."""

from collections.abc import Callable, Mapping

from histobench.contracts.lazy import lazy
from histobench.reports.analyses.findings import Cell, Findings, StudyResults
from histobench.reports.analyses.writing import write_findings

__all__ = ["ANALYSES", "Cell", "Findings", "StudyResults", "write_findings"]

_NAMES = (
    "maps", "colocalisation", "domains", "markers", "ceiling", "robustness", "latent", "enhancement", "attribution",
)  # fmt: skip

ANALYSES: Mapping[str, Callable[[StudyResults], Findings]] = {
    name: lazy(f"histobench.reports.analyses.{name}:analyse_{name}") for name in _NAMES
}
"""Every analysis, under the name that ``histobench analyse --what`` takes; some of them load scanpy."""
