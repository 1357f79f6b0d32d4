"""Domains in a latent."""

from importlib.util import find_spec

from histobench import ConfigError, ContextMetric
from histobench_metrics.cards import enhancement
from histobench_metrics.clustering.columns import AGREEMENT, DOMAINS, MEANINGS, PUBLISHED

__all__ = ["CARDS"]

_SAME_LATENT = "any latent that parts the same spots, whatever it says of genes"


def _expect_igraph() -> None:
    if find_spec("igraph") is None:
        raise ConfigError("clusters need igraph: pip install 'histobench[clusters]'.")


def _domains() -> ContextMetric:
    _expect_igraph()
    from histobench_metrics.clustering.domains import domains

    return domains


def _agreement() -> ContextMetric:
    _expect_igraph()
    from histobench_metrics.clustering.domains import domain_agreement

    return domain_agreement


def _published_agreement() -> ContextMetric:
    _expect_igraph()
    from histobench_metrics.clustering.domains import published_domain_agreement

    return published_domain_agreement


CARDS = (
    enhancement(
        name="domains",
        title="clusters of the latent, as many as are stable: how apart there, and how compact on the slide",
        build=_domains,
        citation="Rousseeuw (1987), J. Comput. Appl. Math. 20:53-65; Shang & Zhou (2022), Nat. Commun. 13:7203",
        needs=("latent", "place"),
        higher_is_better=True,
        view="slide",
        columns=DOMAINS,
        meanings=MEANINGS["domains"],
        headline=DOMAINS[0],
        lowest=-1.0,
        highest=1.0,
        reached=False,
        gamed_by=_SAME_LATENT,
        undefined="fewer than twenty spots, or one cluster",
    ),
    enhancement(
        name="domain-agreement",
        title="agreement of the latent's clusters, as many as are stable, with the annotated regions",
        build=_agreement,
        citation="Hubert & Arabie (1985), J. Classif. 2:193-218; Traag et al. (2019), Sci. Rep. 9:5233",
        needs=("latent", "regions"),
        higher_is_better=True,
        view="slide",
        columns=AGREEMENT,
        meanings=MEANINGS["domain-agreement"],
        headline=AGREEMENT[0],
        lowest=-1.0,
        highest=1.0,
        reached=False,
        gamed_by=_SAME_LATENT,
        undefined="fewer than twenty annotated spots",
    ),
    enhancement(
        name="domain-agreement[gist]",
        title="agreement of the latent's clusters, as many as there are regions, with them, as GIST's script",
        build=_published_agreement,
        citation="GIST (lengjk1214/GIST); expression protocol, section 10",
        needs=("latent", "regions"),
        higher_is_better=True,
        view="slide",
        columns=PUBLISHED,
        meanings=MEANINGS["domain-agreement[gist]"],
        headline=PUBLISHED[0],
        lowest=-1.0,
        highest=1.0,
        reached=False,
        gamed_by=_SAME_LATENT,
        undefined="fewer than twenty annotated spots",
    ),
)
"""The metrics of this family."""
