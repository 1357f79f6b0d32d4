"""Counts as GIST reads them: ln(1 + counts per 10,000), normalised over all genes before any is left out."""

import warnings

import numpy as np

from histobench import Counts, DataError, Float

__all__ = ["choose_genes", "log_normalise", "read_genes"]

_PER = 10_000.0


def log_normalise(counts: Float, /, *, columns: list[int] | None = None) -> Float:
    """Turn (n, g) counts into ln(1 + counts per 10,000) of all genes, and keep some columns: (n, k) float32.

    A spot without any count stays zero.
    """
    totals = counts.sum(axis=1, keepdims=True, dtype=np.float64)
    scale = np.divide(_PER, totals, out=np.zeros_like(totals), where=totals > 0)
    kept = counts if columns is None else counts[:, columns]
    normalised: Float = np.log1p(kept * scale).astype(np.float32)
    return normalised


def choose_genes(counts: Counts, panel: tuple[str, ...], n_genes: int | None = None, /) -> tuple[str, ...]:
    """Choose the genes that are read: the panel's, and those of highest mean up to ``n_genes``; by default all.

    The mean is of ln(1 + counts per 10,000); labels are not used. The genes keep the order of the counts.

    Raises
    ------
    DataError
        If a gene of the panel has no counts.
    """
    in_panel = np.isin(counts.names, panel)
    if in_panel.sum() != len(panel):
        absent = sorted(set(panel).difference(counts.names))
        raise DataError(f"{len(absent)} of the {len(panel)} genes to enhance have no counts, e.g. {absent[0]!r}.")
    if n_genes is None:
        return counts.names
    mean = log_normalise(counts.values).mean(axis=0, dtype=np.float64)
    order = np.argsort(np.where(in_panel, -np.inf, -mean), kind="stable")
    chosen = np.sort(order[: max(n_genes, int(in_panel.sum()))])
    return tuple(counts.names[column] for column in chosen)


def read_genes(counts: Counts, genes: tuple[str, ...], /) -> Float:
    """Read ln(1 + counts per 10,000) of (n, g) counts at named genes: (n, len(genes)) float32.

    A gene that was not measured counts as zero; a warning reports it.

    Raises
    ------
    DataError
        If none of them was measured.
    """
    if genes == counts.names:
        return log_normalise(counts.values)
    column = {name: number for number, name in enumerate(counts.names)}
    known = np.array([name in column for name in genes])
    if not known.any():
        raise DataError(f"none of the {len(genes)} genes was measured, e.g. {genes[0]!r}; their names may differ.")
    if not known.all():
        absent = genes[int(np.argmin(known))]
        text = f"{len(genes) - known.sum()} of the {len(genes)} genes were not measured and count as zero"
        warnings.warn(f"{text}, e.g. {absent!r}.", stacklevel=2)
    values = np.zeros((len(counts.values), len(genes)), dtype=np.float32)
    columns = [column[name] for name in genes if name in column]
    values[:, known] = log_normalise(counts.values, columns=columns)
    return values
