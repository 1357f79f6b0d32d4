"""Cards of retrieval."""

from histobench import lazy_value
from histobench_metrics.cards import retrieval
from histobench_metrics.retrieval.columns import COSINES, DIRECTIONS, MEANINGS, RECALLS

__all__ = ["CARDS"]

CARDS = (
    retrieval(
        name="retrieval",
        title="how high each spot's own partner ranks in the gallery: 1 first, 0.5 by chance, 0 last",
        build=lazy_value("histobench_metrics.retrieval.retrieval:normalised_rank"),
        citation="Mueller et al. (2001), Pattern Recognit. Lett. 22:593-601 (normalised rank), turned about",
        higher_is_better=True,
        columns=DIRECTIONS,
        meanings=MEANINGS["retrieval"],
        ranks=True,
        lowest=0.0,
        highest=1.0,
        undefined="fewer than two spots",
    ),
    retrieval(
        name="retrieval-recall",
        title="share of spots whose partner is among the first 1, 5 and 10 of the gallery, with chance",
        build=lazy_value("histobench_metrics.retrieval.retrieval_recall:retrieval_recall"),
        citation="Radford et al. (2021), ICML, 8748-8763; generative metrics, section 5",
        higher_is_better=True,
        columns=RECALLS,
        meanings=MEANINGS["retrieval-recall"],
        headline=RECALLS[2],
        lowest=0.0,
        highest=1.0,
        undefined="depths that hold the whole gallery",
    ),
    retrieval(
        name="median-rank",
        title="median rank of every spot's own partner, with the gallery's size",
        build=lazy_value("histobench_metrics.retrieval.median_rank:median_rank"),
        citation="Faghri et al. (2018), BMVC (VSE++)",
        higher_is_better=False,
        columns=(*DIRECTIONS, "gallery"),
        meanings=MEANINGS["median-rank"],
        headline=DIRECTIONS[0],
        lowest=1.0,
        undefined="fewer than two spots",
    ),
    retrieval(
        name="paired-cosine",
        title="cosine of each spot's image and expression, with that of different spots",
        build=lazy_value("histobench_metrics.retrieval.paired_cosine:paired_cosine"),
        citation="Hessel et al. (2021), EMNLP, 7514-7528; Liang et al. (2022), NeurIPS 35 (modality gap)",
        higher_is_better=True,
        columns=COSINES,
        meanings=MEANINGS["paired-cosine"],
        headline=COSINES[0],
        lowest=-1.0,
        highest=1.0,
        gamed_by="vectors that all point one way",
        undefined="no spots",
    ),
)
"""The metrics of this family."""
