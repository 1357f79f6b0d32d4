"""Analyses of a finished study: tables and figures beyond the standings."""

from collections.abc import Callable, Mapping

from histobench.analyses.ceiling import analyse_ceiling
from histobench.analyses.colocalisation import analyse_colocalisation
from histobench.analyses.contrasts import analyse_markers
from histobench.analyses.domains import analyse_domains
from histobench.analyses.findings import Cell, Findings, StudyResults
from histobench.analyses.maps import analyse_maps
from histobench.analyses.robustness import analyse_robustness
from histobench.analyses.writing import write_findings

__all__ = ["ANALYSES", "Cell", "Findings", "StudyResults", "write_findings"]

ANALYSES: Mapping[str, Callable[[StudyResults], Findings]] = {
    "maps": analyse_maps,
    "colocalisation": analyse_colocalisation,
    "domains": analyse_domains,
    "markers": analyse_markers,
    "ceiling": analyse_ceiling,
    "robustness": analyse_robustness,
}
"""Every analysis, by the name that ``histobench analyse --what`` takes."""
