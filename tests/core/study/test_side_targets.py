"""What a method trains with in addition to its targets."""

from dataclasses import replace

import numpy as np
import pytest

from histobench.contracts.cards import DatasetCard, TargetFact
from histobench.data import Auxiliary, Slide, SpotTable
from histobench.data.panels import fit_panel, log_normalise
from histobench.errors import DataError
from histobench.study.side_targets import SideTarget, fit_side_targets, read_regions, source_of
from histobench.testing import ToyDataset

UNIT = "toy"


class LabelledHere(ToyDataset):
    """Labels on the first slide alone, without its first spot."""

    def slides(self, target: str) -> list[Slide]:  # type: ignore[override]
        return list(super().slides(target)[: 1 if target == "label" else None])

    def table(self, slide: Slide, target: str) -> SpotTable:
        whole = super().table(slide, target)
        if target != "label" or whole.targets is None:
            return whole
        rest = np.arange(1, len(whole.spot_ids))
        return replace(
            whole,
            spot_ids=whole.spot_ids[1:],
            xy_um=whole.xy_um[rest],
            xy_px=whole.xy_px[rest],
            array=whole.array[rest],
            targets=whole.targets.take(rest),
            counts=None,
            oracle=None,
        )


def fitted(dataset: ToyDataset, name: Auxiliary, source: str, *, n_genes: int = 30) -> SideTarget:
    train = [dataset.table(slide, "gene_expression") for slide in dataset.slides("gene_expression")[:2]]
    panel = fit_panel("gene_expression", train, unit=UNIT)
    panel = replace(panel, names=panel.names[:n_genes])
    return fit_side_targets([(name, source, UNIT)], dataset, train, panel)[name]


def test_other_genes_are_those_seen_in_training_and_not_predicted(toy: ToyDataset) -> None:
    table = toy.table(toy.slides("gene_expression")[3], "gene_expression")
    other = fitted(toy, "other_genes", "gene_expression", n_genes=10)
    predicted = fit_panel(
        "gene_expression", [toy.table(s, "gene_expression") for s in toy.slides("gene_expression")[:2]], unit=UNIT
    ).names[:10]
    assert table.counts is not None
    assert len(other.panel.names) == 20
    assert not set(other.panel.names) & set(predicted)
    first = table.counts.names.index(other.panel.names[0])
    assert np.array_equal(other.read(toy, table).values[:, 0], log_normalise(table.counts.values)[:, first])


def test_counts_are_the_raw_ones_of_the_predicted_genes(toy: ToyDataset) -> None:
    table = toy.table(toy.slides("gene_expression")[3], "gene_expression")
    counts = fitted(toy, "counts", "gene_expression", n_genes=3).read(toy, table)
    assert table.counts is not None
    columns = [table.counts.names.index(name) for name in counts.names]
    assert np.array_equal(counts.values, table.counts.values[:, columns])


def test_a_spot_without_a_label_is_a_row_of_zeros() -> None:
    dataset = LabelledHere()
    labels = fitted(dataset, "label", "label")
    here, elsewhere = (dataset.table(slide, "gene_expression") for slide in dataset.slides("gene_expression")[:2])
    assert labels.read(dataset, here).values.sum(axis=1).tolist() == [0.0] + [1.0] * 59
    assert not labels.read(dataset, elsewhere).values.any()


def test_regions_are_the_observed_labels_and_empty_without_one() -> None:
    dataset = LabelledHere()
    labelled, other = dataset.slides("cell_abundance")[:2]
    spot_ids = dataset.table(labelled, "cell_abundance").spot_ids
    regions = read_regions(dataset, "label", labelled, spot_ids)
    truth = ToyDataset().table(labelled, "label").targets
    assert regions is not None
    assert truth is not None
    assert regions[0] == ""
    assert [*regions[1:]] == [truth.names[place] for place in truth.values[1:].argmax(axis=1)]
    assert read_regions(dataset, "label", other, spot_ids) is None


def test_labels_that_no_slide_has_are_refused() -> None:
    class Unlabelled(ToyDataset):
        def slides(self, target: str) -> list[Slide]:  # type: ignore[override]
            return [] if target == "label" else list(super().slides(target))

    with pytest.raises(DataError, match="the method trains with 'label', and no slide has it"):
        fitted(Unlabelled(), "label", "label")


def test_a_source_is_the_default_target_of_its_kind() -> None:
    facts = tuple(
        TargetFact(name=name, kind="cell_abundance", title="", unit="")
        for name in ("cell_abundance:minor", "cell_abundance:major")
    )
    card = DatasetCard(name="d", title="", build=lambda _root: ToyDataset(), targets=facts)
    assert source_of("cell_abundance", card) == "cell_abundance:minor"
    assert source_of("counts", card) is None
