"""Names of the columns that the metrics of generated patches have."""

from histobench_metrics.retrieval.columns import COSINES

__all__ = ["CEILING", "CLIP_SCORES", "ENTROPIES", "FRECHET", "KERNEL", "MEMORISATION", "NUCLEI"]

FRECHET = ("all patches", "half of them", "extrapolated", "real halves")
"""Columns: with all, with half, to endless patches, and real against real."""

KERNEL = ("mean", "deviation", "subset")
"""Columns: over subsets, and their size."""

ENTROPIES = ("hard", "soft", "chance")
"""Columns: what the cross-entropy is taken against."""

CEILING = ("generated patches", "real patches")
"""Columns: what the expression is read off."""

CLIP_SCORES = (*COSINES, "real pairs")
"""Columns of the cosines of patches and prompts; the last is of the real patches, which a generator can hope for."""

MEMORISATION = ("excess", "share", "median ratio")
"""Columns of the distances to training patches."""

NUCLEI = ("squared difference", "difference", "pearson")
"""Columns of the counts of nuclei."""
