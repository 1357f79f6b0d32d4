"""Cards of correlations and errors, ours and those of the publications."""

from functools import partial

from histobench import lazy_value
from histobench_metrics.cards import COMPARED, MEAN_MEDIAN, amount, expression
from histobench_metrics.regression.columns import CORRELATIONS, ERRORS, LEVELS

__all__ = ["CARDS"]

_compared_correlation = partial(amount, higher_is_better=True, lowest=-1.0, highest=1.0, kinds=COMPARED)
_compared_error = partial(amount, higher_is_better=False, lowest=0.0, kinds=COMPARED)
_cuca_correlation = partial(
    amount,
    higher_is_better=True,
    lowest=-1.0,
    highest=1.0,
    citation="Yan et al. (2025), Bioinformatics (CUCA); abundance protocol, section 8",
    undefined="either side constant up to rounding, or fewer than two spots",
)
_hist2scrna_correlation = partial(
    expression,
    higher_is_better=True,
    lowest=-1.0,
    highest=1.0,
    citation="hist2scRNA; expression protocol, section 9",
    view="slide",
)
_hist2scrna_error = partial(
    expression, higher_is_better=False, lowest=0.0, citation="hist2scRNA; expression protocol, section 9", view="slide"
)

CARDS = (
    _compared_correlation(
        name="pearson",
        title="Pearson correlation over spots",
        build=lazy_value("histobench_metrics.regression.pearson:pearson"),
        citation="Pearson (1895), Proc. R. Soc. Lond. 58:240-242",
        ranks=True,
        undefined="either side constant up to rounding, or fewer than two spots",
    ),
    _compared_correlation(
        name="pearson-or-zero",
        title="Pearson correlation over spots, 0 where a target that varies is predicted constant",
        build=lazy_value("histobench_metrics.regression.pearson:pearson_or_zero"),
        citation="abundance protocol, section 8; Pearson (1895), Proc. R. Soc. Lond. 58:240-242",
        undefined="observation constant up to rounding, or fewer than two spots",
    ),
    _compared_correlation(
        name="spearman",
        title="Spearman correlation of ranks over spots, ties averaged",
        build=lazy_value("histobench_metrics.regression.spearman:spearman"),
        citation="Spearman (1904), Am. J. Psychol. 15:72-101",
        undefined="either side constant up to rounding, or fewer than two spots",
    ),
    _compared_correlation(
        name="concordance",
        title="Lin's concordance correlation over spots: agreement in value, not only in order",
        build=lazy_value("histobench_metrics.regression.concordance:concordance"),
        citation="Lin (1989), Biometrics 45:255-268",
        undefined="observation constant up to rounding, or fewer than two spots",
    ),
    amount(
        name="r2",
        kinds=COMPARED,
        title="share of the observed variance explained",
        build=lazy_value("histobench_metrics.regression.r2:r2"),
        citation="Kvalseth (1985), Am. Stat. 39:279-285",
        higher_is_better=True,
        highest=1.0,
        undefined="observation constant up to rounding, or fewer than two spots",
    ),
    _compared_error(
        name="rmse",
        title="root mean squared error over spots",
        build=lazy_value("histobench_metrics.regression.rmse:rmse"),
        citation="Willmott & Matsuura (2005), Clim. Res. 30:79-82",
        unit="target",
        undefined="no spots",
    ),
    amount(
        name="mae",
        title="mean absolute error over spots",
        build=lazy_value("histobench_metrics.regression.mae:mae"),
        citation="Willmott & Matsuura (2005), Clim. Res. 30:79-82",
        higher_is_better=False,
        lowest=0.0,
        unit="target",
        gamed_by="predicting nothing, where a target is absent from most spots",
        undefined="no spots",
    ),
    _compared_error(
        name="nrmse",
        title="root mean squared error in observed standard deviations; 1 is what the slide's mean reaches",
        build=lazy_value("histobench_metrics.regression.r2:nrmse"),
        citation="Moriasi et al. (2007), Trans. ASABE 50:885-900",
        undefined="observation constant up to rounding, or fewer than two spots",
    ),
    amount(
        name="cosine",
        title="cosine between each spot's predicted and observed profile",
        build=lazy_value("histobench_metrics.regression.cosine:cosine"),
        citation="Salton, Wong & Yang (1975), Commun. ACM 18:613-620",
        higher_is_better=True,
        view="spot",
        columns=MEAN_MEDIAN,
        headline=MEAN_MEDIAN[0],
        lowest=-1.0,
        highest=1.0,
        undefined="no spot with a profile on both sides",
    ),
    _cuca_correlation(
        name="pearson[cuca-split]",
        title="Pearson over the spots of all test slides of a split, as CUCA's script",
        build=lazy_value("histobench_metrics.regression.pearson:pearson"),
        pools="only",
    ),
    _cuca_correlation(
        name="pearson[cuca-slide]",
        title="Pearson over the spots of one slide, predictions unclipped, as CUCA's and Hist2Cell's scripts",
        build=lazy_value("histobench_metrics.regression.pearson:pearson"),
        pools="never",
    ),
    _cuca_correlation(
        name="spearman[cuca]",
        title="Spearman with predictions clipped at zero, per slide and per split, as CUCA's script",
        build=lazy_value("histobench_metrics.regression.spearman:spearman"),
        clips_predictions=True,
    ),
    _hist2scrna_correlation(
        name="pearson[hist2scrna]",
        title="Pearson of all values, of genes and of spots, as hist2scRNA",
        build=lazy_value("histobench_metrics.regression.hist2scrna:pearson_everywhere"),
        columns=CORRELATIONS,
        headline="gene mean",
        undefined="genes with a variance below 1e-10 on either side are left out; all values: above 67 million",
    ),
    _hist2scrna_correlation(
        name="spearman[hist2scrna]",
        title="Spearman of all values, of genes and of spots, as hist2scRNA",
        build=lazy_value("histobench_metrics.regression.hist2scrna:spearman_everywhere"),
        columns=CORRELATIONS,
        headline="gene mean",
        expensive=True,
        undefined="as pearson[hist2scrna]",
    ),
    _hist2scrna_error(
        name="mse[hist2scrna]",
        title="mean squared error of all values and of genes that vary, as hist2scRNA",
        build=lazy_value("histobench_metrics.regression.hist2scrna:mse_everywhere"),
        columns=ERRORS,
        headline="overall",
        unit="target squared",
        undefined="as pearson[hist2scrna]",
    ),
    _hist2scrna_error(
        name="mae[hist2scrna]",
        title="mean absolute error of all values and of genes that vary, as hist2scRNA",
        build=lazy_value("histobench_metrics.regression.hist2scrna:mae_everywhere"),
        columns=ERRORS,
        headline="overall",
        unit="target",
        gamed_by="predicting nothing, where most values are zero",
        undefined="as pearson[hist2scrna]",
    ),
    _hist2scrna_error(
        name="rmse[hist2scrna]",
        title="root of the mean squared error of all values, as hist2scRNA",
        build=lazy_value("histobench_metrics.regression.hist2scrna:rmse_overall"),
        columns=("overall",),
        unit="target",
        undefined="more than 67 million values",
    ),
    expression(
        name="r2[hist2scrna]",
        title="share explained of all values' variance around their one mean, as hist2scRNA",
        build=lazy_value("histobench_metrics.regression.hist2scrna:r2_overall"),
        citation="hist2scRNA; expression protocol, section 9",
        higher_is_better=True,
        view="slide",
        columns=("overall",),
        highest=1.0,
        undefined="more than 67 million values",
    ),
    _hist2scrna_error(
        name="mae[hist2scrna-levels]",
        title="mean absolute error of values by observed level, as hist2scRNA; descriptive",
        build=lazy_value("histobench_metrics.regression.hist2scrna:mae_of_levels"),
        columns=LEVELS,
        unit="target",
        gamed_by="one value within the level, everywhere",
        undefined="levels of ten values or fewer; more than 67 million values",
    ),
    _hist2scrna_error(
        name="mse[hist2scrna-levels]",
        title="mean squared error of values by observed level, as hist2scRNA; descriptive",
        build=lazy_value("histobench_metrics.regression.hist2scrna:mse_of_levels"),
        columns=LEVELS,
        unit="target squared",
        gamed_by="one value within the level, everywhere",
        undefined="levels of ten values or fewer; more than 67 million values",
    ),
    _hist2scrna_correlation(
        name="pearson[hist2scrna-levels]",
        title="Pearson of values by observed level, as hist2scRNA; descriptive",
        build=lazy_value("histobench_metrics.regression.hist2scrna:pearson_of_levels"),
        columns=LEVELS,
        undefined="levels of ten values or fewer, or more than 67 million values; 0, as published, where none vary",
    ),
    expression(
        name="auc-rch[hist2rna]",
        title="area under the reverse cumulative histogram of Spearman correlations, as hist2RNA",
        build=lazy_value("histobench_metrics.regression.auc_rch:auc_rch"),
        citation="hist2RNA; expression protocol, section 9",
        higher_is_better=True,
        view="slide",
        columns=("genes", "spots"),
        headline="genes",
        lowest=0.0,
        highest=1.0,
        expensive=True,
        undefined="no correlation is defined",
    ),
)
"""The metrics of this family."""
