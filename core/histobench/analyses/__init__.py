"""Analyses of a finished study: tables and figures beyond the standings."""

from collections.abc import Callable, Mapping
from importlib import import_module

from histobench.analyses.ceiling import analyse_ceiling
from histobench.analyses.colocalisation import analyse_colocalisation
from histobench.analyses.contrasts import analyse_markers
from histobench.analyses.domains import analyse_domains
from histobench.analyses.findings import Cell, Findings, StudyResults
from histobench.analyses.maps import analyse_maps
from histobench.analyses.robustness import analyse_robustness
from histobench.analyses.writing import write_findings
from histobench.errors import ConfigError

__all__ = ["ANALYSES", "Cell", "Findings", "StudyResults", "write_findings"]


def _clustering(module: str, function: str) -> Callable[[StudyResults], Findings]:
    """Load an analysis when it is asked for, because it needs the extra ``clusters``."""

    def analyse(study: StudyResults, /) -> Findings:
        try:
            findings: Findings = getattr(import_module(f"histobench.analyses.{module}"), function)(study)
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
