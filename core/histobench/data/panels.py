"""Panels: which genes or cell types are predicted, and in what unit; fitted on the fold's training slides.

Scores of different panels are never ranked together: a panel's hash is part of every result. The order of the steps
is fixed: counts are normalised over *all* genes of a spot first, genes are selected second.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from histobench.data import Counts, Float, Kind, SpotTable, Targets
from histobench.errors import DataError

__all__ = ["GENES_IN_PANEL", "Panel", "fit_panel", "gene_columns", "genes_seen", "is_expression", "log_normalise"]

GENES_IN_PANEL = 250
"""Number of genes, those of highest mean expression (He et al. 2020, ST-Net; also CUCA and Hist2Cell)."""

COUNTS_PER_SPOT = 1e4
"""Scale of the normalisation: counts per ten thousand, as published for HE2Gene and GIST."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The targets of a task, in one fold.

    Attributes
    ----------
    names
        (t,) names of the targets, in order.
    unit
        Unit of the values, in words.
    fitted_on
        Ids of the slides that the panel was chosen on; empty for a panel that the dataset or a checkpoint fixes.
    """

    kind: Kind
    names: tuple[str, ...]
    unit: str
    fitted_on: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """Hash of kind, unit and names, which identifies the panel in results."""
        text = "\n".join((self.kind, self.unit, *self.names))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def read(self, table: SpotTable) -> Targets:
        """Read the panel's values of a slide, (n, t) float32. A gene that was not counted on a slide is zero there."""
        if is_expression(self.kind):
            return _read_genes(self, table)
        targets = table.targets
        if targets is None or targets.kind != self.kind:
            raise DataError(f"slide {table.slide.id!r} has no {self.kind} to read.")
        if targets.names != self.names:
            raise DataError(f"slide {table.slide.id!r} has other {self.kind} columns than the panel.")
        return targets

    def counts(self, table: SpotTable) -> Targets:
        """Read the raw counts of the panel's genes: (n, t) float32."""
        return Targets(kind=self.kind, names=self.names, values=gene_columns(_counts(table), self.names))


def is_expression(kind: Kind) -> bool:
    """Return whether targets of a kind are expression, made from counts; others are in the dataset's own table."""
    return kind not in ("cell_abundance", "label")


def log_normalise(counts: Float, /) -> Float:
    """Scale each spot to ten thousand counts and take ln(1 + x).

    Parameters
    ----------
    counts : (n, g) float32
        All genes of the spot, before any selection.

    Returns
    -------
    (n, g) float32
        A spot without counts stays zero.
    """
    totals = counts.sum(axis=1, keepdims=True, dtype=np.float64)
    scale = np.divide(COUNTS_PER_SPOT, totals, out=np.zeros_like(totals), where=totals > 0)
    normalised: Float = np.log1p(counts * scale).astype(np.float32)
    return normalised


def fit_panel(kind: Kind, tables: Sequence[SpotTable], *, unit: str) -> Panel:
    """Choose the targets of a task on the training slides alone.

    Genes: the 250 of highest mean log-normalised expression over the training spots (ties by name). Cell types and
    labels: all that the dataset has.

    Raises
    ------
    DataError
        If a slide has no counts, or not the targets of this kind.
    """
    if is_expression(kind):
        names = _genes_of_highest_mean(tables)
        return Panel(kind=kind, names=names, unit=unit, fitted_on=tuple(t.slide.id for t in tables))
    first = tables[0].targets
    if first is None:
        raise DataError(f"slide {tables[0].slide.id!r} has no {kind} to read.")
    return Panel(kind=kind, names=first.names, unit=unit)


def genes_seen(tables: Sequence[SpotTable]) -> tuple[str, ...]:
    """Return every gene that was counted at least once on these slides, sorted."""
    seen: set[str] = set()
    for table in tables:
        counts = _counts(table)
        seen.update(np.array(counts.names)[counts.values.any(axis=0)].tolist())
    return tuple(sorted(seen))


def _genes_of_highest_mean(tables: Sequence[SpotTable]) -> tuple[str, ...]:
    totals: dict[str, float] = {}
    n_spots = 0
    for table in tables:
        counts = _counts(table)
        sums = log_normalise(counts.values).sum(axis=0, dtype=np.float64)
        n_spots += len(table.spot_ids)
        for gene, total in zip(counts.names, sums, strict=True):
            totals[gene] = totals.get(gene, 0.0) + float(total)
    ranked = sorted(totals, key=lambda gene: (-totals[gene] / n_spots, gene))
    return tuple(ranked[:GENES_IN_PANEL])


def _read_genes(panel: Panel, table: SpotTable) -> Targets:
    counts = _counts(table)
    normalised = replace(counts, values=log_normalise(counts.values))  # over all genes first, selected second
    return Targets(kind=panel.kind, names=panel.names, values=gene_columns(normalised, panel.names))


def gene_columns(counts: Counts, names: tuple[str, ...]) -> Float:
    """Select (n, t) columns by name; a missing gene is zero."""
    place = {gene: column for column, gene in enumerate(counts.names)}
    columns = np.array([place.get(gene, -1) for gene in names], dtype=np.int64)
    values = np.zeros((len(counts.values), len(names)), dtype=np.float32)
    values[:, columns >= 0] = counts.values[:, columns[columns >= 0]]
    return values


def _counts(table: SpotTable) -> Counts:
    if table.counts is None:
        raise DataError(f"slide {table.slide.id!r} has no counts, so no genes can be chosen on it.")
    return table.counts
