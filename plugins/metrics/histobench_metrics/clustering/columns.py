"""Names of the columns that the metrics of domains have."""

__all__ = ["AGREEMENT", "DOMAINS", "MEANINGS", "PUBLISHED"]

DOMAINS = ("silhouette", "chaos", "pas", "clusters", "resolution", "stability")
"""Columns of ``domains``."""

AGREEMENT = ("ari", "nmi", "ami", "purity", "clusters")
"""Columns of ``domain-agreement``."""

PUBLISHED = (*AGREEMENT[:4], "matched accuracy", "matched f1", "clusters", "matched")
"""Columns of ``domain-agreement[gist]``."""

_OF_AGREEMENT = {
    "ari": "adjusted Rand index: 1 identical, 0 by chance",
    "nmi": "normalised mutual information: 1 identical",
    "ami": "adjusted mutual information: 1 identical, 0 by chance",
    "purity": "share of spots in the commonest region of their cluster; grows with the number of clusters",
    "clusters": "their number",
    "matched accuracy": "share of spots that are right when each cluster is matched with one region",
    "matched f1": "mean F1 of the regions under that matching",
    "matched": "1 where as many clusters as regions were found, which is the goal of the search",
}

MEANINGS = {
    "domains": {
        "silhouette": "how separate the clusters are in the latent: 1 completely, 0 not at all",
        "chaos": "mean distance to the nearest spot of the same cluster on the standardised slide; low is compact",
        "pas": "share of spots with six or more of the ten nearest in another cluster; low is smooth",
        "clusters": "their number",
        "resolution": "Leiden resolution with the most stable clusters",
        "stability": "agreement (ARI) of the clusters of random parts of the spots",
    },
    "domain-agreement": {name: _OF_AGREEMENT[name] for name in AGREEMENT},
    "domain-agreement[gist]": {name: _OF_AGREEMENT[name] for name in PUBLISHED},
}
"""Metric → what its columns mean."""
