"""What the cards of this package share."""

from functools import partial

from histobench import Kind, MetricCard

__all__ = [
    "COMPARED",
    "MEAN_MEDIAN",
    "amount",
    "enhancement",
    "expression",
    "generation",
    "label",
    "retrieval",
]

MEAN_MEDIAN = ("mean over spots", "median over spots")
"""Columns of a metric that scores spots."""

_AMOUNTS: tuple[Kind, ...] = ("gene_expression", "cell_abundance")

COMPARED: tuple[Kind, ...] = (*_AMOUNTS, "generate")
"""Kinds whose two tables have the same unit: the amounts, and expression read off generated patches.

Enhanced expression is not one of them: it is compared with so few molecules that their logarithms depend on their
number.
"""

amount = partial(MetricCard, licence="Apache-2.0", kinds=_AMOUNTS)
"""Make the card of a metric of expression and abundance."""

expression = partial(MetricCard, licence="Apache-2.0", kinds=("gene_expression",))
"""Make the card of a metric of expression."""

label = partial(MetricCard, licence="Apache-2.0", kinds=("label",))
"""Make the card of a metric of classes."""

enhancement = partial(MetricCard, licence="Apache-2.0", kinds=("enhance",))
"""Make the card of a metric of enhanced expression."""

retrieval = partial(MetricCard, licence="Apache-2.0", kinds=("retrieve",), view="slide")
"""Make the card of a metric of retrieval; its gallery is a whole slide."""

generation = partial(MetricCard, licence="Apache-2.0", kinds=("generate",), view="slide")
"""Make the card of a metric of sets of generated patches."""
