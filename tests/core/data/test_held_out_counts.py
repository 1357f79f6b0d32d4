"""Which counts are held out from a method that enhances."""

from dataclasses import replace

import numpy as np
import pytest

from histobench.data import Counts, SpotTable
from histobench.data.held_out_counts import KEPT, MASKED, hide
from histobench.data.panels import fit_panel, genes_seen, log_normalise
from histobench.errors import DataError
from histobench.testing import ToyDataset


def slide(number: int = 0) -> SpotTable:
    toy = ToyDataset()
    return toy.table(toy.slides("gene_expression")[number], "gene_expression")


def hidden(table: SpotTable):
    return hide(table, fit_panel("enhance", [table], unit="x"), genes_seen([table]))


def test_molecules_are_either_given_or_held_out() -> None:
    table = slide()
    given = hidden(table)
    place = {gene: column for column, gene in enumerate(given.counts.names)}
    whole = table.counts.values[:, [table.counts.names.index(gene) for gene in given.counts.names]]
    columns = [place[gene] for gene in given.given.names]
    unmasked = np.ones_like(whole, dtype=bool)
    unmasked[:, columns] = ~given.hidden.masked
    held_out = (whole - given.counts.values)[unmasked]
    assert (held_out >= 0).all()
    assert held_out.sum() == pytest.approx((1 - KEPT) * whole[unmasked].sum(), rel=0.05)
    assert given.hidden.depth.sum() == pytest.approx((1 - KEPT) * whole.sum(), rel=0.05)


def test_masked_entries_are_given_as_zero_and_known_to_the_metric() -> None:
    given = hidden(slide())
    assert given.hidden.masked.mean() == pytest.approx(MASKED, abs=0.02)
    assert not given.given.values[given.hidden.masked].any()
    assert (given.hidden.truth[given.hidden.masked] > 0).mean() > 0.5


def test_every_method_is_given_the_same_split_and_every_slide_another() -> None:
    one, again, other = hidden(slide()), hidden(slide()), hidden(slide(1))
    assert np.array_equal(one.counts.values, again.counts.values)
    assert not np.array_equal(one.hidden.masked, other.hidden.masked)


def test_a_slide_is_split_alike_whatever_genes_and_panel_a_fold_has() -> None:
    table = slide()
    genes, panel = genes_seen([table]), fit_panel("enhance", [table], unit="x")
    few = replace(panel, names=panel.names[10:4:-1])
    one = hide(table, few, genes)
    other = hide(table, replace(few, names=few.names[1:]), tuple(sorted({*genes[::2], *few.names})))
    masked = few.names[0]  # for one of the two alone
    shared = [gene for gene in other.counts.names if gene != masked]
    given = [split.counts.values[:, [split.counts.names.index(gene) for gene in shared]] for split in (one, other)]
    assert np.array_equal(*given)
    assert np.array_equal(one.hidden.masked[:, 1:], other.hidden.masked)


def test_what_is_given_is_normalised_over_all_genes_before_the_panel_is_chosen() -> None:
    given = hidden(slide())
    columns = [given.counts.names.index(gene) for gene in given.given.names]
    assert np.array_equal(given.given.values, log_normalise(given.counts.values)[:, columns])


def test_the_truth_behind_the_counts_comes_along_in_the_panels_order_where_it_is_known() -> None:
    table = slide()
    panel = fit_panel("enhance", [table], unit="x")
    turned = replace(panel, names=panel.names[::-1])
    ours, turned_round = (hide(table, one, genes_seen([table])).hidden.oracle for one in (panel, turned))
    assert ours is not None
    assert np.array_equal(ours, table.oracle.values[:, [table.oracle.names.index(name) for name in panel.names]])
    assert np.array_equal(ours[:, ::-1], turned_round)
    assert hidden(replace(table, oracle=None)).hidden.oracle is None


def test_counts_that_are_not_whole_cannot_be_split() -> None:
    table = slide()
    broken = replace(table, counts=Counts(names=table.counts.names, values=table.counts.values + 0.5))
    with pytest.raises(DataError, match="whole numbers"):
        hidden(broken)
