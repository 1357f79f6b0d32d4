"""The built-in metrics.

================= ============================== ==========================================
name              kinds                          score
================= ============================== ==========================================
pearson           expression, abundance          correlation; ranks both
spearman          expression, abundance          correlation of ranks
rmse, mae         expression, abundance          error, in the target's unit
r2                expression, abundance          share of variance explained
jensen-shannon    expression, abundance          distance of distributions over spots
recall            label                          per class; mean = balanced accuracy; ranks
f1                label                          per class; mean = macro F1
================= ============================== ==========================================
"""

from histobench import Kind, Metric, MetricCard

__all__ = ["CARDS"]

_AMOUNTS: tuple[Kind, ...] = ("gene_expression", "cell_abundance")
_LARGEST_DISTANCE = 0.8325546111576977  # sqrt(ln 2)


def _pearson() -> Metric:
    from histobench_metrics.correlation import pearson

    return pearson


def _spearman() -> Metric:
    from histobench_metrics.correlation import spearman

    return spearman


def _rmse() -> Metric:
    from histobench_metrics.deviation import rmse

    return rmse


def _mae() -> Metric:
    from histobench_metrics.deviation import mae

    return mae


def _r2() -> Metric:
    from histobench_metrics.deviation import r2

    return r2


def _jensen_shannon() -> Metric:
    from histobench_metrics.distribution import jensen_shannon_distance

    return jensen_shannon_distance


def _recall() -> Metric:
    from histobench_metrics.classification import recall

    return recall


def _f1() -> Metric:
    from histobench_metrics.classification import f1

    return f1


CARDS = (
    MetricCard(
        name="pearson",
        title="Pearson correlation over spots",
        citation="Pearson (1895), Proc. R. Soc. Lond. 58:240-242",
        licence="Apache-2.0",
        build=_pearson,
        kinds=_AMOUNTS,
        higher_is_better=True,
        ranks=True,
        lowest=-1.0,
        highest=1.0,
    ),
    MetricCard(
        name="spearman",
        title="Spearman correlation of ranks over spots, ties averaged",
        citation="Spearman (1904), Am. J. Psychol. 15:72-101",
        licence="Apache-2.0",
        build=_spearman,
        kinds=_AMOUNTS,
        higher_is_better=True,
        lowest=-1.0,
        highest=1.0,
    ),
    MetricCard(
        name="rmse",
        title="root mean squared error over spots",
        licence="Apache-2.0",
        build=_rmse,
        kinds=_AMOUNTS,
        higher_is_better=False,
        lowest=0.0,
        unit="target",
    ),
    MetricCard(
        name="mae",
        title="mean absolute error over spots",
        licence="Apache-2.0",
        build=_mae,
        kinds=_AMOUNTS,
        higher_is_better=False,
        lowest=0.0,
        unit="target",
    ),
    MetricCard(
        name="r2",
        title="share of the observed variance explained",
        licence="Apache-2.0",
        build=_r2,
        kinds=_AMOUNTS,
        higher_is_better=True,
        highest=1.0,
    ),
    MetricCard(
        name="jensen-shannon",
        title="Jensen-Shannon distance (root of the divergence, natural log) of one target's distribution over spots",
        citation="Lin (1991), IEEE Trans. Inf. Theory 37:145-151",
        licence="Apache-2.0",
        build=_jensen_shannon,
        kinds=_AMOUNTS,
        higher_is_better=False,
        lowest=0.0,
        highest=_LARGEST_DISTANCE,
        clips_predictions=True,
    ),
    MetricCard(
        name="recall",
        title="recall of each class; the mean over classes is the balanced accuracy",
        citation="Brodersen et al. (2010), ICPR, 3121-3124",
        licence="Apache-2.0",
        build=_recall,
        kinds=("label",),
        higher_is_better=True,
        ranks=True,
        lowest=0.0,
        highest=1.0,
    ),
    MetricCard(
        name="f1",
        title="F1 of each class; the mean over classes is the macro F1",
        licence="Apache-2.0",
        build=_f1,
        kinds=("label",),
        higher_is_better=True,
        lowest=0.0,
        highest=1.0,
    ),
)
"""Every metric of this package."""
