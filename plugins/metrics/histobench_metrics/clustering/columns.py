"""Names of the columns that the metrics of domains have."""

__all__ = ["AGREEMENT", "DOMAINS", "PUBLISHED"]

DOMAINS = ("silhouette", "chaos", "pas", "clusters", "resolution", "stability")
"""Columns: what the domains are like."""

AGREEMENT = ("ari", "nmi", "ami", "purity", "clusters")
"""Columns: how they agree with the regions."""

PUBLISHED = (*AGREEMENT[:4], "matched accuracy", "matched f1", "clusters", "matched")
"""Columns: how as many domains as regions agree with them."""
