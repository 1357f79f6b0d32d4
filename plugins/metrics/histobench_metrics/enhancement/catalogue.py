"""Enhanced expression."""

from histobench import ContextMetric
from histobench_metrics.cards import enhancement
from histobench_metrics.enhancement.columns import CONTRAST, MEANINGS

__all__ = ["CARDS"]


def _heldout_pearson() -> ContextMetric:
    from histobench_metrics.enhancement.shares import heldout_pearson

    return heldout_pearson


def _heldout_log_pearson() -> ContextMetric:
    from histobench_metrics.enhancement.shares import heldout_log_pearson

    return heldout_log_pearson


def _heldout_deviance() -> ContextMetric:
    from histobench_metrics.enhancement.molecules import heldout_deviance

    return heldout_deviance


def _masked_pearson() -> ContextMetric:
    from histobench_metrics.enhancement.molecules import masked_pearson

    return masked_pearson


def _masked_rmse() -> ContextMetric:
    from histobench_metrics.enhancement.molecules import masked_rmse

    return masked_rmse


def _oracle_pearson() -> ContextMetric:
    from histobench_metrics.enhancement.truth import oracle_pearson

    return oracle_pearson


def _oracle_log_pearson() -> ContextMetric:
    from histobench_metrics.enhancement.truth import oracle_log_pearson

    return oracle_log_pearson


def _oracle_rmse() -> ContextMetric:
    from histobench_metrics.enhancement.truth import oracle_rmse

    return oracle_rmse


def _marker_contrast() -> ContextMetric:
    from histobench_metrics.enhancement.markers import marker_contrast

    return marker_contrast


CARDS = (
    enhancement(
        name="heldout-pearson",
        title="Pearson over spots of the enhanced and the held-out share of molecules, weighted by molecules held out",
        build=_heldout_pearson,
        citation="Batson, Royer & Webber (2019), bioRxiv 786269; Townes et al. (2019), Genome Biol. 20:295",
        needs=("hidden",),
        higher_is_better=True,
        ranks=True,
        lowest=-1.0,
        highest=1.0,
        undefined="a gene whose held-out share does not vary; 0 where it varies and is enhanced to one value",
    ),
    enhancement(
        name="heldout-pearson[log]",
        title="Pearson over spots of enhanced and held-out ln(1 + counts per 10,000)",
        build=_heldout_log_pearson,
        citation="expression protocol, section 12; Pearson (1895), Proc. R. Soc. Lond. 58:240-242",
        needs=("hidden",),
        higher_is_better=True,
        lowest=-1.0,
        highest=1.0,
        gamed_by="the number of a spot's molecules, the same for every gene",
        undefined="either side constant up to rounding, or fewer than two spots",
    ),
    enhancement(
        name="heldout-deviance",
        title="share of the held-out molecules' Poisson deviance explained; 0 is what each gene's mean reaches",
        build=_heldout_deviance,
        citation="Cameron & Windmeijer (1996), J. Bus. Econ. Stat. 14:209-220; expression protocol, section 12",
        needs=("hidden",),
        higher_is_better=True,
        highest=1.0,
        reached=False,
        undefined="a gene without held-out molecules, or one whose lie as its mean says",
    ),
    enhancement(
        name="masked-pearson",
        title="Pearson of shares of molecules over the spots in which the gene was masked, weighted by molecules",
        build=_masked_pearson,
        citation="Batson & Royer (2019), ICML, 524-533; Pearson (1895), Proc. R. Soc. Lond. 58:240-242",
        needs=("hidden",),
        revision="2",  # was of logarithms, which follow the number of molecules
        higher_is_better=True,
        lowest=-1.0,
        highest=1.0,
        undefined="either side constant over the masked spots, or fewer than three of them",
    ),
    enhancement(
        name="masked-rmse",
        title="root mean squared error over the spots in which the gene was masked",
        build=_masked_rmse,
        citation="Batson & Royer (2019), ICML, 524-533",
        needs=("hidden",),
        higher_is_better=False,
        lowest=0.0,
        unit="target",
        undefined="fewer than three masked spots",
    ),
    enhancement(
        name="oracle-pearson",
        title="Pearson over spots of the enhanced and the true share of molecules, where the truth is known",
        build=_oracle_pearson,
        citation="Pearson (1895), Proc. R. Soc. Lond. 58:240-242",
        revision="2",  # of shares; 1 was of logarithms
        needs=("oracle",),
        higher_is_better=True,
        lowest=-1.0,
        highest=1.0,
        undefined="a gene whose true share does not vary; 0 where it varies and is enhanced to one value",
    ),
    enhancement(
        name="oracle-pearson[log]",
        title="Pearson over spots with the ln(1 + counts per 10,000) that was drawn from, where it is known",
        build=_oracle_log_pearson,
        citation="Pearson (1895), Proc. R. Soc. Lond. 58:240-242",
        needs=("oracle",),
        higher_is_better=True,
        lowest=-1.0,
        highest=1.0,
        undefined="a gene whose truth does not vary; 0 where it varies and is enhanced to one value",
    ),
    enhancement(
        name="oracle-rmse",
        title="root mean squared distance from the expression that the counts were drawn from, where that is known",
        build=_oracle_rmse,
        citation="Batson, Royer & Webber (2019), bioRxiv 786269",
        needs=("oracle",),
        higher_is_better=False,
        lowest=0.0,
        unit="target",
        undefined="no spots",
    ),
    enhancement(
        name="marker-contrast",
        title="how well each gene finds the region it is highest in, enhanced and raw",
        build=_marker_contrast,
        citation="Hanley & McNeil (1982), Radiology 143:29-36; expression protocol, section 12",
        needs=("regions", "hidden"),
        higher_is_better=True,
        view="slide",
        columns=CONTRAST,
        meanings=MEANINGS["marker-contrast"],
        headline=CONTRAST[0],
        pools="never",
        lowest=0.0,
        highest=1.0,
        reached=False,
        gamed_by="smoothing within regions",
        undefined="fewer than two regions of five spots, or no gene that varies",
    ),
)
"""The metrics of this family."""
