"""Cards of enhanced expression."""

from functools import partial

from histobench import lazy_value
from histobench_metrics.cards import enhancement
from histobench_metrics.enhancement.columns import CONTRAST, MEANINGS

__all__ = ["CARDS"]

_hidden_correlation = partial(enhancement, higher_is_better=True, lowest=-1.0, highest=1.0, needs=("hidden",))
_oracle_correlation = partial(enhancement, higher_is_better=True, lowest=-1.0, highest=1.0, needs=("oracle",))

CARDS = (
    _hidden_correlation(
        name="heldout-pearson",
        title="Pearson over spots of the enhanced and the held-out share of molecules, weighted by molecules held out",
        build=lazy_value("histobench_metrics.enhancement.heldout_pearson:heldout_pearson"),
        citation="Batson, Royer & Webber (2019), bioRxiv 786269; Townes et al. (2019), Genome Biol. 20:295",
        ranks=True,
        undefined="a gene whose held-out share does not vary; 0 where it varies and is enhanced to one value",
    ),
    _hidden_correlation(
        name="heldout-pearson[log]",
        title="Pearson over spots of enhanced and held-out ln(1 + counts per 10,000)",
        build=lazy_value("histobench_metrics.enhancement.heldout_pearson:heldout_log_pearson"),
        citation="expression protocol, section 12; Pearson (1895), Proc. R. Soc. Lond. 58:240-242",
        gamed_by="the number of a spot's molecules, the same for every gene",
        undefined="either side constant up to rounding, or fewer than two spots",
    ),
    enhancement(
        name="heldout-deviance",
        title="share of the held-out molecules' Poisson deviance explained; 0 is what each gene's mean reaches",
        build=lazy_value("histobench_metrics.enhancement.heldout_deviance:heldout_deviance"),
        citation="Cameron & Windmeijer (1996), J. Bus. Econ. Stat. 14:209-220; expression protocol, section 12",
        needs=("hidden",),
        higher_is_better=True,
        highest=1.0,
        reached=False,
        undefined="a gene without held-out molecules, or with molecules exactly in proportion to its mean",
    ),
    _hidden_correlation(
        name="masked-pearson",
        title="Pearson of shares of molecules over the spots in which the gene was masked, weighted by molecules",
        build=lazy_value("histobench_metrics.enhancement.masked_pearson:masked_pearson"),
        citation="Batson & Royer (2019), ICML, 524-533; Pearson (1895), Proc. R. Soc. Lond. 58:240-242",
        revision="2",  # was of logarithms, which follow the number of molecules
        undefined="either side constant over the masked spots, or fewer than three of them",
    ),
    enhancement(
        name="masked-rmse",
        title="root mean squared error over the spots in which the gene was masked",
        build=lazy_value("histobench_metrics.enhancement.masked_pearson:masked_rmse"),
        citation="Batson & Royer (2019), ICML, 524-533",
        needs=("hidden",),
        higher_is_better=False,
        lowest=0.0,
        unit="target",
        undefined="fewer than three masked spots",
    ),
    _oracle_correlation(
        name="oracle-pearson",
        title="Pearson over spots of the enhanced and the true share of molecules, where the truth is known",
        build=lazy_value("histobench_metrics.enhancement.oracle_pearson:oracle_pearson"),
        citation="Pearson (1895), Proc. R. Soc. Lond. 58:240-242",
        revision="2",  # of shares; 1 was of logarithms
        undefined="a gene whose true share does not vary; 0 where it varies and is enhanced to one value",
    ),
    _oracle_correlation(
        name="oracle-pearson[log]",
        title="Pearson over spots of enhanced and true ln(1 + counts per 10,000), where the truth is known",
        build=lazy_value("histobench_metrics.enhancement.oracle_pearson:oracle_log_pearson"),
        citation="Pearson (1895), Proc. R. Soc. Lond. 58:240-242",
        undefined="a gene whose truth does not vary; 0 where it varies and is enhanced to one value",
    ),
    enhancement(
        name="oracle-rmse",
        title="root mean squared distance from the expression that the counts were drawn from, where that is known",
        build=lazy_value("histobench_metrics.enhancement.oracle_pearson:oracle_rmse"),
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
        build=lazy_value("histobench_metrics.enhancement.marker_contrast:marker_contrast"),
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
