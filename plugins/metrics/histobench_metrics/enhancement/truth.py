"""How near enhanced expression is to what the counts were drawn from, where a dataset knows it.

The molecules held out of a spot share with those given whatever is that spot's own: its deviation from what its cells
express on average, the genes it lost. Raw counts hold that too, and can foretell held-out molecules better than the
truth does. Here it counts for nothing. Shares give the genes' peaks their weight, logarithms the empty spots.
"""

from histobench import DataError, Float, ScoreContext
from histobench_metrics.enhancement.shares import shares_of
from histobench_metrics.regression.correlation import pearson_or_zero
from histobench_metrics.regression.deviation import rmse
from histobench_metrics.tables import check_shapes

__all__ = ["oracle_log_pearson", "oracle_pearson", "oracle_rmse"]


def oracle_pearson(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Correlate shares of the spot's molecules, enhanced and true: (t,) float64 of (n, t) tables.

    0 where a gene whose true share varies is enhanced to one value; NaN where the truth does not vary.
    """
    check_shapes(predicted, observed)
    return pearson_or_zero(shares_of(predicted).T, shares_of(_oracle(context)).T)


def oracle_log_pearson(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Correlate ln(1 + counts per 10,000), enhanced and true: (t,) float64 of (n, t) tables; 0 and NaN alike."""
    check_shapes(predicted, observed)
    return pearson_or_zero(predicted, _oracle(context))


def oracle_rmse(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Take the root mean squared distance of logarithms from the truth: (t,) float64 of (n, t) tables.

    Where molecules are few, the logarithm of what was counted lies below that of the truth whatever is done.
    """
    check_shapes(predicted, observed)
    return rmse(predicted, _oracle(context))


def _oracle(context: ScoreContext) -> Float:
    oracle = None if context.hidden is None else context.hidden.oracle
    if oracle is None:
        raise DataError("it needs the expression that the counts were drawn from, which is not known here")
    return oracle
