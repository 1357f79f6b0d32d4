"""Analyses of a finished study: tables and figures beyond the standings."""

from collections.abc import Callable, Mapping

from histobench.analyses.findings import Cell, Findings, StudyResults
from histobench.analyses.robustness import analyse_robustness
from histobench.analyses.writing import write_findings

__all__ = ["ANALYSES", "Cell", "Findings", "StudyResults", "write_findings"]

ANALYSES: Mapping[str, Callable[[StudyResults], Findings]] = {
    "robustness": analyse_robustness,
}
"""Every analysis, by the name that ``histobench analyse --what`` takes."""
