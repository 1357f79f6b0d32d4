"""How close enhanced expression is to what the counts were drawn from, where a dataset knows it (``oracle-…``).

The molecules held out of a spot share with the given ones whatever is specific to that spot: its deviation from what
its cells express on average, the genes that it lost. Raw counts contain that too, and can predict held-out molecules
better than the truth does. Here it counts for nothing. Shares weigh the genes' peaks, logarithms the empty spots.
"""

from histobench import DataError, Float, ScoreContext
from histobench_metrics.enhancement.heldout_pearson import shares_of
from histobench_metrics.regression.pearson import pearson_or_zero
from histobench_metrics.regression.rmse import rmse
from histobench_metrics.tables import check_shapes

__all__ = ["oracle_log_pearson", "oracle_pearson", "oracle_rmse"]


def oracle_pearson(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Correlate enhanced and true shares of the spot's molecules: (t,) float64 of (n, t) tables.

    0 where a gene whose true share varies is enhanced to one value; NaN where the truth does not vary.
    """
    check_shapes(predicted, observed)
    return pearson_or_zero(shares_of(predicted).T, shares_of(_oracle(context)).T)


def oracle_log_pearson(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Correlate enhanced and true ln(1 + counts per 10,000): (t,) of (n, t) tables; 0 and NaN as `oracle_pearson`."""
    check_shapes(predicted, observed)
    return pearson_or_zero(predicted, _oracle(context))


def oracle_rmse(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Return the root mean squared distance of logarithms from the truth: (t,) float64 of (n, t) tables.

    Where molecules are few, the logarithm of the counts is always below that of the truth.
    """
    check_shapes(predicted, observed)
    return rmse(predicted, _oracle(context))


def _oracle(context: ScoreContext) -> Float:
    oracle = None if context.hidden is None else context.hidden.oracle
    if oracle is None:
        raise DataError("it needs the expression that the counts were drawn from, which is not known here")
    return oracle
