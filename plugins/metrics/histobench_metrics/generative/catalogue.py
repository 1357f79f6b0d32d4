"""Cards of generated patches."""

from functools import partial

from histobench import lazy_value
from histobench_metrics.cards import generation
from histobench_metrics.generative.columns import (
    CEILING,
    CLIP_SCORES,
    ENTROPIES,
    FRECHET,
    KERNEL,
    MEANINGS,
    MEMORISATION,
    NUCLEI,
)

__all__ = ["CARDS"]

_OF_PATCHES = ("share of patches",)
_ANY_PROMPT = "good patches of other prompts"

_features_error = partial(generation, higher_is_better=False, lowest=0.0, needs=("features",))
_features_share = partial(generation, higher_is_better=True, lowest=0.0, highest=1.0, needs=("features",))
_features_correlation = partial(generation, higher_is_better=True, lowest=-1.0, highest=1.0, needs=("features",))

CARDS = (
    _features_error(
        name="fid",
        title="Frechet distance of generated and real patches' features, with its bias for few patches",
        build=lazy_value("histobench_metrics.generative.fid:fid"),
        citation="Heusel et al. (2017), NeurIPS 30; Chong & Forsyth (2020), CVPR, 6070-6079",
        columns=FRECHET,
        meanings=MEANINGS["fid"],
        headline=FRECHET[0],
        gamed_by=_ANY_PROMPT,
        undefined="fewer than two spots; its bias with fewer than four",
    ),
    generation(
        name="kid",
        title="kernel distance (cubic MMD) of generated and real patches' features",
        build=lazy_value("histobench_metrics.generative.kid:kid"),
        citation="Binkowski et al. (2018), ICLR",
        needs=("features",),
        higher_is_better=False,
        columns=KERNEL,
        meanings=MEANINGS["kid"],
        headline=KERNEL[0],
        gamed_by=_ANY_PROMPT,
        undefined="fewer than two spots",
    ),
    _features_share(
        name="image-precision",
        title="share of generated patches within the manifold (k = 3) of the real ones",
        build=lazy_value("histobench_metrics.generative.image_manifold:image_precision"),
        citation="Kynkaanniemi et al. (2019), NeurIPS 32",
        columns=_OF_PATCHES,
        gamed_by="one good patch, whatever the prompt",
        undefined="fewer than five spots",
    ),
    _features_share(
        name="image-recall",
        title="share of real patches within the manifold (k = 3) of the generated ones",
        build=lazy_value("histobench_metrics.generative.image_manifold:image_recall"),
        citation="Kynkaanniemi et al. (2019), NeurIPS 32",
        columns=_OF_PATCHES,
        gamed_by=_ANY_PROMPT,
        undefined="fewer than five spots",
    ),
    generation(
        name="image-density",
        title="density of real patches (k = 5) around the generated ones; 1 as around each other",
        build=lazy_value("histobench_metrics.generative.image_manifold:image_density"),
        citation="Naeem et al. (2020), ICML, 7176-7185",
        needs=("features",),
        higher_is_better=True,
        columns=("mean over patches",),
        lowest=0.0,
        reached=False,
        gamed_by="one common patch, whatever the prompt",
        undefined="fewer than seven spots",
    ),
    _features_share(
        name="image-coverage",
        title="share of real patches with a generated one nearer than their fifth real neighbour",
        build=lazy_value("histobench_metrics.generative.image_manifold:image_coverage"),
        citation="Naeem et al. (2020), ICML, 7176-7185",
        columns=_OF_PATCHES,
        gamed_by=_ANY_PROMPT,
        undefined="fewer than seven spots",
    ),
    _features_correlation(
        name="clip-score",
        title="cosine of generated patch and prompt in the method's own space, with other prompts' and real patches'",
        build=lazy_value("histobench_metrics.generative.clip_score:clip_score"),
        citation="Hessel et al. (2021), EMNLP, 7514-7528; generative metrics, section 1",
        columns=CLIP_SCORES,
        headline=CLIP_SCORES[0],
        revision="2",
        gamed_by="vectors that all point one way",
        undefined="a method without a space of its own, or no spots",
    ),
    _features_error(
        name="contrastive-entropy",
        title="cross-entropy (nats) of finding each generated patch's real one among others, by centred cosine / 0.07",
        build=lazy_value("histobench_metrics.generative.contrastive_entropy:contrastive_entropy"),
        citation="generative metrics, section 1; van den Oord, Li & Vinyals (2018), arXiv:1807.03748",
        columns=ENTROPIES,
        meanings=MEANINGS["contrastive-entropy"],
        headline=ENTROPIES[0],
        reached=False,
        gamed_by="patches that say nothing, which lose less than patches that are wrong",
        unit="nats",
        undefined="fewer than two spots",
    ),
    _features_error(
        name="contrastive-entropy[clip-gan]",
        title="cross-entropy (nats) of finding each generated patch's real one among others, by raw products",
        build=lazy_value("histobench_metrics.generative.contrastive_entropy:published_contrastive_entropy"),
        citation="generative metrics, section 1 (ce_hard, ce_soft)",
        columns=ENTROPIES,
        headline=ENTROPIES[0],
        reached=False,
        gamed_by="patches that say nothing, which lose less than patches that are wrong",
        unit="nats",
        undefined="fewer than two spots",
    ),
    _features_correlation(
        name="conditional-ceiling",
        title="Pearson of the prompt and the expression read off generated patches, with that of real ones",
        build=lazy_value("histobench_metrics.generative.conditional_ceiling:conditional_ceiling"),
        citation="histobench; Ravuri & Vinyals (2019), NeurIPS 32 (classification accuracy score), with a regression",
        columns=CEILING,
        meanings=MEANINGS["conditional-ceiling"],
        headline=CEILING[0],
        undefined="no target varies on both sides",
    ),
    generation(
        name="memorisation",
        title="share of generated patches nearer to a training patch than the nearest 5 % of new tissue, beyond 5 %",
        build=lazy_value("histobench_metrics.generative.memorisation:memorisation"),
        citation="Meehan, Chaudhuri & Dasgupta (2020), AISTATS, 3546-3556",
        needs=("features",),
        higher_is_better=False,
        columns=MEMORISATION,
        meanings=MEANINGS["memorisation"],
        headline=MEMORISATION[0],
        lowest=0.0,
        highest=1.0,
        gamed_by="patches that look like nothing",
        undefined="fewer than twenty spots",
    ),
    _features_error(
        name="nuclei-difference",
        title="squared difference of the nuclei counted in each generated patch and the real one",
        build=lazy_value("histobench_metrics.generative.nuclei_difference:nuclei_difference"),
        citation="generative metrics, section 1; Ruifrok & Johnston (2001), Anal. Quant. Cytol. Histol. 23:291-299",
        columns=NUCLEI,
        meanings=MEANINGS["nuclei-difference"],
        headline=NUCLEI[0],
        pools="never",  # slides are stained differently
        gamed_by="any patch with as many nuclei",
        undefined="no spots",
    ),
)
"""The metrics of this family."""
