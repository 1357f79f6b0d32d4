"""Names of the columns that the metrics of generated patches have."""

from histobench_metrics.retrieval.columns import COSINES

__all__ = ["CEILING", "CLIP_SCORES", "ENTROPIES", "FRECHET", "KERNEL", "MEANINGS", "MEMORISATION", "NUCLEI"]

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

MEANINGS = {
    "fid": {
        "all patches": "with all n test patches; biased upwards, the more so the fewer there are",
        "half of them": "with half of the patches: what it falls from here to all is owed to their number",
        "extrapolated": "to endlessly many patches, along 1/n; may be below zero",
        "real halves": "one half of the real patches against the other: what a perfect generator is given at half of n",
    },
    "kid": {
        "mean": "over random subsets; unbiased, so that it may be below zero",
        "deviation": "over the subsets; zero where a subset is all patches there are, which is not small",
        "subset": "patches of a subset, 500 at most",
    },
    "contrastive-entropy": {
        "hard": "against each spot's own real patch",
        "soft": "against what the real patch of its spot is itself similar to",
        "chance": "what a generator that tells nothing loses: the logarithm of the number it is told from",
    },
    "conditional-ceiling": {
        "generated patches": "what the reader reads off the generated patches, as the score that ranks",
        "real patches": "what it reads off the real patches: what tissue shows; a generator may paint it plainer",
    },
    "memorisation": {
        "excess": "by how much that share exceeds the 5 % that new tissue has",
        "share": "generated patches nearer to a training patch than the nearest 5 % of the real test patches are",
        "median ratio": "their median distance to training patches in that of real ones; far below 1 are copies",
    },
    "nuclei-difference": {
        "squared difference": "of the counts in a generated patch and the real one, mean over spots",
        "difference": "generated less real: the bias",
        "pearson": "of the two counts over spots",
    },
}
"""Metric → what its columns say."""
