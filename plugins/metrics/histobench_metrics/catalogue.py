"""The built-in metrics, family by family. Each family is a folder; each metric's card names its file.

Names are those of the field. A name with brackets is computed exactly as that publication's scripts do, with their
clipping, offsets and constants, for comparison with the printed numbers; the plain name is our recommendation.

============== ===================================================================================================
family         metrics
============== ===================================================================================================
regression     pearson (ranks), pearson-or-zero, spearman, concordance, r2, rmse, mae, nrmse, cosine; as CUCA,
               hist2scRNA, hist2RNA
distribution   jensen-shannon and its divergence, kl, mutual-information; as CUCA, Hist2Cell
presence       auroc, auprc, top1, top3, zero-…, nonzero-mae; as hist2scRNA
probabilistic  zinb- and nb-log-likelihood, zero-brier, zero-auroc, interval-…
strata         pearson-by-level, -by-rarity, -within-regions, nrmse-by-level
labels         recall (ranks), f1, precision, accuracy, f1-weighted, class-auroc, class-auprc, confusion
spatial        moran-difference, ssim, colocalisation; as CUCA
enhancement    heldout-deviance, masked-pearson, masked-rmse, marker-contrast
clustering     domains, domain-agreement; as GIST
retrieval      retrieval (ranks), retrieval-recall, median-rank, paired-cosine
generative     fid, kid, image-precision, -recall, -density, -coverage, clip-score, contrastive-entropy,
               conditional-ceiling, memorisation, nuclei-difference; as CLIP-GAN
============== ===================================================================================================
"""

from histobench import MetricCard
from histobench_metrics.clustering.catalogue import CARDS as CLUSTERING
from histobench_metrics.distribution.catalogue import CARDS as DISTRIBUTION
from histobench_metrics.enhancement.catalogue import CARDS as ENHANCEMENT
from histobench_metrics.generative.catalogue import CARDS as GENERATIVE
from histobench_metrics.labels.catalogue import CARDS as LABELS
from histobench_metrics.presence.catalogue import CARDS as PRESENCE
from histobench_metrics.probabilistic.catalogue import CARDS as PROBABILISTIC
from histobench_metrics.regression.catalogue import CARDS as REGRESSION
from histobench_metrics.retrieval.catalogue import CARDS as RETRIEVAL
from histobench_metrics.spatial.catalogue import CARDS as SPATIAL
from histobench_metrics.strata.catalogue import CARDS as STRATA

__all__ = ["CARDS"]

CARDS: tuple[MetricCard, ...] = (
    *REGRESSION,
    *DISTRIBUTION,
    *PRESENCE,
    *PROBABILISTIC,
    *STRATA,
    *LABELS,
    *SPATIAL,
    *ENHANCEMENT,
    *CLUSTERING,
    *RETRIEVAL,
    *GENERATIVE,
)
"""Every metric of this package."""
