"""Names of the columns that the metrics of domains have."""

__all__ = ["AGREEMENT", "DOMAINS", "MEANINGS", "PUBLISHED"]

DOMAINS = ("silhouette", "chaos", "pas", "clusters", "resolution", "stability")
"""Columns: what the domains are like."""

AGREEMENT = ("ari", "nmi", "ami", "purity", "clusters")
"""Columns: how they agree with the regions."""

PUBLISHED = (*AGREEMENT[:4], "matched accuracy", "matched f1", "clusters", "matched")
"""Columns: how as many domains as regions agree with them."""

_OF_AGREEMENT = {
    "ari": "adjusted Rand index: 1 the same, 0 by chance",
    "nmi": "normalised mutual information: 1 the same",
    "ami": "the same, adjusted: 0 by chance",
    "purity": "share of spots in the commonest region of their cluster; grows with the number of clusters",
    "clusters": "how many there are",
    "matched accuracy": "share of spots right when each cluster is matched with one region",
    "matched f1": "mean F1 of the regions under that matching",
    "matched": "1 where as many clusters as regions were found, which is what was wanted",
}

MEANINGS = {
    "domains": {
        "silhouette": "how apart clusters are in the latent: 1 wholly, 0 not at all",
        "chaos": "mean distance to the nearest spot of the same cluster on the standardised slide; low is compact",
        "pas": "share of spots with six or more of the ten nearest of another cluster; low is smooth",
        "clusters": "how many there are",
        "resolution": "of Leiden's method, the one with the most stable clusters",
        "stability": "how alike (ARI) random parts of the spots are clustered",
    },
    "domain-agreement": {name: _OF_AGREEMENT[name] for name in AGREEMENT},
    "domain-agreement[gist]": {name: _OF_AGREEMENT[name] for name in PUBLISHED},
}
"""Metric → what its columns say."""
