"""What the cards of this package have in common."""

from functools import partial

from histobench import Kind, MetricCard

__all__ = ["MEAN_MEDIAN", "amount", "expression", "label"]

MEAN_MEDIAN = ("mean over spots", "median over spots")
"""Columns of a score of spots."""

_AMOUNTS: tuple[Kind, ...] = ("gene_expression", "cell_abundance")

amount = partial(MetricCard, licence="Apache-2.0", kinds=_AMOUNTS)
"""Make the card of a metric of expression and abundance."""

expression = partial(MetricCard, licence="Apache-2.0", kinds=("gene_expression",))
"""Make the card of a metric of expression."""

label = partial(MetricCard, licence="Apache-2.0", kinds=("label",))
"""Make the card of a metric of classes."""
