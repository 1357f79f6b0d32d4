"""Analyses of a finished study: tables and figures beyond the standings."""

from collections.abc import Callable, Mapping
from importlib import import_module

from histobench.errors import ConfigError
from histobench.reports.analyses.ceiling import analyse_ceiling
from histobench.reports.analyses.colocalisation import analyse_colocalisation
from histobench.reports.analyses.contrasts import analyse_markers
from histobench.reports.analyses.domains import analyse_domains
from histobench.reports.analyses.findings import Cell, Findings, StudyResults
from histobench.reports.analyses.maps import analyse_maps
from histobench.reports.analyses.robustness import analyse_robustness
from histobench.reports.analyses.writing import write_findings

__all__ = ["ANALYSES", "Cell", "Findings", "StudyResults", "write_findings"]


def _clustering(module: str, function: str) -> Callable[[StudyResults], Findings]:
    """Load an analysis when it is asked for, because it needs the extra ``clusters``."""

    def analyse(study: StudyResults, /) -> Findings:
        try:
            findings: Findings = getattr(import_module(f"histobench.reports.analyses.{module}"), function)(study)
        except ModuleNotFoundError as error:
            if error.name not in ("igraph", "umap"):
                raise
            how = "pip install 'histobench[clusters]'"
            raise ConfigError(f"this analysis needs igraph and umap-learn: {how}.") from error
        return findings

    return analyse


ANALYSES: Mapping[str, Callable[[StudyResults], Findings]] = {
    "maps": analyse_maps,
    "colocalisation": analyse_colocalisation,
    "domains": analyse_domains,
    "markers": analyse_markers,
    "ceiling": analyse_ceiling,
    "robustness": analyse_robustness,
    "latent": _clustering("latent", "analyse_latent"),
    "enhancement": _clustering("enhancement", "analyse_enhancement"),
    "attribution": _clustering("attribution", "analyse_attribution"),
}
"""Every analysis, by the name that ``histobench analyse --what`` takes."""
