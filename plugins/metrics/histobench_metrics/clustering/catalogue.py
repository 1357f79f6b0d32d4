"""Cards of domains in a latent."""

from functools import partial

from histobench import lazy_value
from histobench_metrics.cards import enhancement
from histobench_metrics.clustering.columns import AGREEMENT, DOMAINS, MEANINGS, PUBLISHED

__all__ = ["CARDS"]

_SAME_LATENT = "any latent that parts the same spots, whatever it says of genes"

_correlation = partial(enhancement, higher_is_better=True, lowest=-1.0, highest=1.0)

CARDS = (
    _correlation(
        name="domains",
        title="the most stable clusters of the latent: how separate they are there, and how compact on the slide",
        build=lazy_value("histobench_metrics.clustering.domains:domains"),
        citation="Rousseeuw (1987), J. Comput. Appl. Math. 20:53-65; Shang & Zhou (2022), Nat. Commun. 13:7203",
        needs=("latent", "place"),
        view="slide",
        columns=DOMAINS,
        meanings=MEANINGS["domains"],
        headline=DOMAINS[0],
        reached=False,
        gamed_by=_SAME_LATENT,
        undefined="fewer than twenty spots, or one cluster",
    ),
    _correlation(
        name="domain-agreement",
        title="agreement of the latent's most stable clusters with the annotated regions",
        build=lazy_value("histobench_metrics.clustering.domain_agreement:domain_agreement"),
        citation="Hubert & Arabie (1985), J. Classif. 2:193-218; Traag et al. (2019), Sci. Rep. 9:5233",
        needs=("latent", "regions"),
        view="slide",
        columns=AGREEMENT,
        meanings=MEANINGS["domain-agreement"],
        headline=AGREEMENT[0],
        reached=False,
        gamed_by=_SAME_LATENT,
        undefined="fewer than twenty annotated spots",
    ),
    _correlation(
        name="domain-agreement[gist]",
        title="agreement of as many clusters of the latent as there are regions with the regions, as GIST's script",
        build=lazy_value("histobench_metrics.clustering.domain_agreement:published_domain_agreement"),
        citation="GIST (lengjk1214/GIST); expression protocol, section 10",
        needs=("latent", "regions"),
        view="slide",
        columns=PUBLISHED,
        meanings=MEANINGS["domain-agreement[gist]"],
        headline=PUBLISHED[0],
        reached=False,
        gamed_by=_SAME_LATENT,
        undefined="fewer than twenty annotated spots",
    ),
)
"""The metrics of this family."""
