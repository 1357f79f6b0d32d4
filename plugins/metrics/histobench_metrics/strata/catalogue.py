"""Cards of scores of some targets or some spots at a time."""

from functools import partial

from histobench import lazy_value
from histobench_metrics.cards import amount
from histobench_metrics.strata.columns import LEVELS, RARITY

__all__ = ["CARDS"]

_correlation = partial(amount, higher_is_better=True, lowest=-1.0, highest=1.0)

CARDS = (
    _correlation(
        name="pearson-by-level",
        title="Pearson of the targets in each third by training mean",
        build=lazy_value("histobench_metrics.strata.by_level:pearson_by_level"),
        citation="expression protocol, section 9 (thirds of genes by training mean)",
        needs=("training",),
        view="slide",
        columns=LEVELS,
        undefined="thirds without a defined score",
    ),
    amount(
        name="nrmse-by-level",
        title="normalised root mean squared error of the targets in each third by training mean",
        build=lazy_value("histobench_metrics.strata.by_level:nrmse_by_level"),
        citation="expression protocol, section 9 (thirds of genes by training mean)",
        needs=("training",),
        higher_is_better=False,
        view="slide",
        columns=LEVELS,
        lowest=0.0,
        undefined="thirds without a defined score",
    ),
    _correlation(
        name="pearson-by-rarity",
        title="Pearson of the targets in each third by share of training spots above zero",
        build=lazy_value("histobench_metrics.strata.by_level:pearson_by_rarity"),
        citation="histobench; Pearson (1895), Proc. R. Soc. Lond. 58:240-242, by thirds of prevalence",
        needs=("training",),
        view="slide",
        columns=RARITY,
        undefined="thirds without a defined score",
    ),
    _correlation(
        name="pearson-within-regions",
        title="Pearson over the spots of each annotated region, averaged over regions",
        build=lazy_value("histobench_metrics.strata.within_regions:pearson_within_regions"),
        citation="histobench; Pearson (1895), Proc. R. Soc. Lond. 58:240-242, within regions",
        needs=("regions",),
        undefined="no region of five spots in which both sides vary",
    ),
)
"""The metrics of this family."""
