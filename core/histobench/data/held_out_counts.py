"""Hold out counts from a method that enhances expression: a tenth of every spot's molecules, and some of its genes.

Whether a molecule is counted is random, so the two parts of randomly split counts are independent measurements of one
spot, and what predicts the held-out part is signal. Every method, fold and seed is given the same split of a slide.

References
----------
Batson, Royer & Webber (2019), *bioRxiv* 786269 (molecular cross-validation); expression protocol, section 12.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from histobench.data import Counts, Float, Hidden, SpotTable, Targets
from histobench.data.panels import Panel, gene_columns, log_normalise
from histobench.errors import DataError

__all__ = ["KEPT", "MASKED", "Input", "hide"]

KEPT = 0.9
"""Probability that a molecule is given to the method (expression protocol, section 12)."""

MASKED = 0.1
"""Fraction of the panel's entries that are given as zero, to be predicted from other genes and spots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One slide as a method that enhances is given it, and what its answer is scored with.

    Attributes
    ----------
    counts
        (n, g) the part of the raw counts that is given.
    given, held_out
        (n, t) ln(1 + counts per 10,000) of the panel's genes, in the given and in the held-out part.
    """

    counts: Counts
    given: Targets
    held_out: Targets
    hidden: Hidden


def hide(table: SpotTable, panel: Panel, genes: tuple[str, ...]) -> Input:
    """Split a slide's counts into a given and a held-out part.

    Parameters
    ----------
    genes
        The genes that the method is given, which include the panel's.

    Raises
    ------
    DataError
        If the slide has no counts, or they are not whole numbers.
    """
    if table.counts is None:
        raise DataError(f"slide {table.slide.id!r} has no counts to enhance.")
    counted = table.counts
    if not np.array_equal(counted.values, np.rint(counted.values)):
        raise DataError(f"slide {table.slide.id!r}: counts must be whole numbers to be split, and some are not.")
    # all genes are split, because the given genes differ between folds and the split must not
    drawn = _draw(table.slide.id).binomial(counted.values.astype(np.int64), KEPT).astype(np.float32)
    whole, kept = gene_columns(counted, genes), gene_columns(replace(counted, values=drawn), genes)
    held_out = whole - kept
    place = {gene: column for column, gene in enumerate(genes)}
    columns = np.array([place[gene] for gene in panel.names], dtype=np.int64)
    masked = np.stack([_draw(table.slide.id, gene).random(len(whole)) < MASKED for gene in panel.names], axis=1)
    kept[:, columns] = np.where(masked, 0.0, kept[:, columns])
    return Input(
        counts=Counts(names=genes, values=kept),
        given=_expression(panel, kept, columns),
        held_out=_expression(panel, held_out, columns),
        hidden=Hidden(
            depth=held_out.sum(axis=1, dtype=np.float64),
            truth=log_normalise(whole)[:, columns],
            masked=masked,
            oracle=_oracle(table, panel),
        ),
    )


def _draw(*names: str) -> np.random.Generator:
    """Make the random generator of a slide, or of one of its genes."""
    return np.random.default_rng(list(hashlib.sha256("\n".join(names).encode()).digest()))


def _oracle(table: SpotTable, panel: Panel) -> Float | None:
    """Read the true expression of the panel's genes; ``None`` unless it is known for all of them."""
    oracle = table.oracle
    if oracle is None or not set(panel.names) <= set(oracle.names):
        return None
    return oracle.values[:, [oracle.names.index(name) for name in panel.names]]


def _expression(panel: Panel, counts: Float, columns: np.ndarray) -> Targets:
    """Normalise (n, g) counts over all genes first, and select the panel's genes second."""
    return Targets(kind=panel.kind, names=panel.names, values=log_normalise(counts)[:, columns])
