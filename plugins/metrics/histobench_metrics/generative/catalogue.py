"""Generated patches."""

from histobench import ContextMetric
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


def _fid() -> ContextMetric:
    from histobench_metrics.generative.frechet import frechet_of_patches

    return frechet_of_patches


def _kid() -> ContextMetric:
    from histobench_metrics.generative.kernel import kernel_of_patches

    return kernel_of_patches


def _precision() -> ContextMetric:
    from histobench_metrics.generative.manifolds import precision

    return precision


def _recall() -> ContextMetric:
    from histobench_metrics.generative.manifolds import recall

    return recall


def _density() -> ContextMetric:
    from histobench_metrics.generative.manifolds import density

    return density


def _coverage() -> ContextMetric:
    from histobench_metrics.generative.manifolds import coverage

    return coverage


def _clip_score() -> ContextMetric:
    from histobench_metrics.generative.pairs import clip_score

    return clip_score


def _entropy() -> ContextMetric:
    from histobench_metrics.generative.pairs import contrastive_entropy

    return contrastive_entropy


def _published_entropy() -> ContextMetric:
    from histobench_metrics.generative.pairs import published_contrastive_entropy

    return published_contrastive_entropy


def _ceiling() -> ContextMetric:
    from histobench_metrics.generative.reading import conditional_ceiling

    return conditional_ceiling


def _memorisation() -> ContextMetric:
    from histobench_metrics.generative.reading import memorisation

    return memorisation


def _nuclei() -> ContextMetric:
    from histobench_metrics.generative.nuclei import nuclei_difference

    return nuclei_difference


CARDS = (
    generation(
        name="fid",
        title="Frechet distance of generated and real patches' features, with its bias at so few",
        build=_fid,
        citation="Heusel et al. (2017), NeurIPS 30; Chong & Forsyth (2020), CVPR, 6070-6079",
        needs=("features",),
        higher_is_better=False,
        columns=FRECHET,
        meanings=MEANINGS["fid"],
        headline=FRECHET[0],
        lowest=0.0,
        gamed_by=_ANY_PROMPT,
        undefined="fewer than two spots; its bias with fewer than four",
    ),
    generation(
        name="kid",
        title="kernel distance (cubic MMD) of generated and real patches' features",
        build=_kid,
        citation="Binkowski et al. (2018), ICLR",
        needs=("features",),
        higher_is_better=False,
        columns=KERNEL,
        meanings=MEANINGS["kid"],
        headline=KERNEL[0],
        gamed_by=_ANY_PROMPT,
        undefined="fewer than two spots",
    ),
    generation(
        name="image-precision",
        title="share of generated patches within the manifold (k = 3) of the real ones",
        build=_precision,
        citation="Kynkaanniemi et al. (2019), NeurIPS 32",
        needs=("features",),
        higher_is_better=True,
        columns=_OF_PATCHES,
        lowest=0.0,
        highest=1.0,
        gamed_by="one good patch, whatever the prompt",
        undefined="fewer than five spots",
    ),
    generation(
        name="image-recall",
        title="share of real patches within the manifold (k = 3) of the generated ones",
        build=_recall,
        citation="Kynkaanniemi et al. (2019), NeurIPS 32",
        needs=("features",),
        higher_is_better=True,
        columns=_OF_PATCHES,
        lowest=0.0,
        highest=1.0,
        gamed_by=_ANY_PROMPT,
        undefined="fewer than five spots",
    ),
    generation(
        name="image-density",
        title="how thickly real patches (k = 5) lie about the generated ones; 1 as about each other",
        build=_density,
        citation="Naeem et al. (2020), ICML, 7176-7185",
        needs=("features",),
        higher_is_better=True,
        columns=("mean over patches",),
        lowest=0.0,
        reached=False,
        gamed_by="one common patch, whatever the prompt",
        undefined="fewer than seven spots",
    ),
    generation(
        name="image-coverage",
        title="share of real patches with a generated one nearer than their fifth real neighbour",
        build=_coverage,
        citation="Naeem et al. (2020), ICML, 7176-7185",
        needs=("features",),
        higher_is_better=True,
        columns=_OF_PATCHES,
        lowest=0.0,
        highest=1.0,
        gamed_by=_ANY_PROMPT,
        undefined="fewer than seven spots",
    ),
    generation(
        name="clip-score",
        title="cosine of generated patch and prompt in the method's own space, beside other prompts' and real patches'",
        build=_clip_score,
        citation="Hessel et al. (2021), EMNLP, 7514-7528; generative metrics, section 1",
        needs=("features",),
        higher_is_better=True,
        columns=CLIP_SCORES,
        headline=CLIP_SCORES[0],
        revision="2",
        lowest=-1.0,
        highest=1.0,
        gamed_by="vectors that all point one way",
        undefined="a method without a space of its own, or no spots",
    ),
    generation(
        name="contrastive-entropy",
        title="cross-entropy (nats) of telling each generated patch's real one from others, by centred cosine / 0.07",
        build=_entropy,
        citation="generative metrics, section 1; van den Oord, Li & Vinyals (2018), arXiv:1807.03748",
        needs=("features",),
        higher_is_better=False,
        columns=ENTROPIES,
        meanings=MEANINGS["contrastive-entropy"],
        headline=ENTROPIES[0],
        lowest=0.0,
        reached=False,
        gamed_by="patches that say nothing, which lose less than patches that are wrong",
        unit="nats",
        undefined="fewer than two spots",
    ),
    generation(
        name="contrastive-entropy[clip-gan]",
        title="cross-entropy (nats) of telling each generated patch's real one from others, by raw products",
        build=_published_entropy,
        citation="generative metrics, section 1 (ce_hard, ce_soft)",
        needs=("features",),
        higher_is_better=False,
        columns=ENTROPIES,
        headline=ENTROPIES[0],
        lowest=0.0,
        reached=False,
        gamed_by="patches that say nothing, which lose less than patches that are wrong",
        unit="nats",
        undefined="fewer than two spots",
    ),
    generation(
        name="conditional-ceiling",
        title="Pearson of the prompt and the expression read off generated patches, beside real ones'",
        build=_ceiling,
        citation="histobench; Ravuri & Vinyals (2019), NeurIPS 32 (classification accuracy score), with a regression",
        needs=("features",),
        higher_is_better=True,
        columns=CEILING,
        meanings=MEANINGS["conditional-ceiling"],
        headline=CEILING[0],
        lowest=-1.0,
        highest=1.0,
        undefined="no target varies on both sides",
    ),
    generation(
        name="memorisation",
        title="share of generated patches nearer to a training patch than the nearest 5 % of new tissue, beyond 5 %",
        build=_memorisation,
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
    generation(
        name="nuclei-difference",
        title="squared difference of the nuclei counted in each generated patch and the real one",
        build=_nuclei,
        citation="generative metrics, section 1; Ruifrok & Johnston (2001), Anal. Quant. Cytol. Histol. 23:291-299",
        needs=("features",),
        higher_is_better=False,
        columns=NUCLEI,
        meanings=MEANINGS["nuclei-difference"],
        headline=NUCLEI[0],
        pools="never",  # slides are stained differently
        lowest=0.0,
        gamed_by="any patch with as many nuclei",
        undefined="no spots",
    ),
)
"""The metrics of this family."""
