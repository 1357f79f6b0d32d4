"""Names of the columns that the metrics of generated patches have."""

from histobench_metrics.retrieval.columns import COSINES

__all__ = ["CEILING", "CLIP_SCORES", "ENTROPIES", "FRECHET", "KERNEL", "MEANINGS", "MEMORISATION", "NUCLEI"]

FRECHET = ("all patches", "half of them", "extrapolated", "real halves")
"""Columns of ``fid``."""

KERNEL = ("mean", "deviation", "subset")
"""Columns of ``kid``: over subsets, and their size."""

ENTROPIES = ("hard", "soft", "chance")
"""Columns of ``contrastive-entropy``: what the cross-entropy is taken against."""

CEILING = ("generated patches", "real patches")
"""Columns of ``conditional-ceiling``: what the expression is read off."""

CLIP_SCORES = (*COSINES, "real pairs")
"""Columns of ``clip-score``; the last is that of the real patches, the most that a generator can hope for."""

MEMORISATION = ("excess", "share", "median ratio")
"""Columns of ``memorisation``."""

NUCLEI = ("squared difference", "difference", "pearson")
"""Columns of ``nuclei-difference``."""

MEANINGS = {
    "fid": {
        "all patches": "with all n test patches; biased upwards, more so the fewer there are",
        "half of them": "with half of the patches: the decrease from here to all patches is due to their number",
        "extrapolated": "to infinitely many patches, along 1/n; may be below zero",
        "real halves": "one half of the real patches against the other: what a perfect generator reaches at half of n",
    },
    "kid": {
        "mean": "over random subsets; unbiased, so it may be below zero",
        "deviation": "over the subsets; zero where a subset is all patches, which does not mean that it is small",
        "subset": "patches of a subset, 500 at most",
    },
    "contrastive-entropy": {
        "hard": "against each spot's own real patch",
        "soft": "against the similarities of its real patch to all real patches",
        "chance": "what a generator without information loses: the logarithm of the number of candidates",
    },
    "conditional-ceiling": {
        "generated patches": "what the reader reads off the generated patches, as the score that ranks",
        "real patches": "what it reads off the real patches; a generator may show expression more plainly than tissue",
    },
    "memorisation": {
        "excess": "by how much that share exceeds the 5 % of new tissue",
        "share": "generated patches nearer to a training patch than the nearest 5 % of the real test patches are",
        "median ratio": "median distance to training patches divided by that of real ones; far below 1 are copies",
    },
    "nuclei-difference": {
        "squared difference": "of the counts in a generated patch and the real one, mean over spots",
        "difference": "generated minus real: the bias",
        "pearson": "of the two counts over spots",
    },
}
"""Metric → what its columns mean."""
