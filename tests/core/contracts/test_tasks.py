"""The facts of each kind of task, and the targets that a dataset can be asked for."""

from typing import get_args

import pytest

from histobench.contracts.cards import DatasetCard, TargetFact
from histobench.contracts.tasks import TASKS, find_target, targets_of
from histobench.data import Auxiliary, Kind
from histobench.testing import ToyDataset


def dataset(*targets: TargetFact) -> DatasetCard:
    return DatasetCard(name="d", title="d", targets=targets, build=lambda root: ToyDataset())


def test_every_kind_has_its_facts() -> None:
    assert tuple(TASKS) == get_args(Kind)


def test_only_tasks_made_from_counts_show_counts_to_methods() -> None:
    assert all(facts.from_counts for facts in TASKS.values() if facts.shows_counts or facts.holds_out_counts)


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("side_target", get_args(Auxiliary))
def test_side_targets_are_others_than_the_predicted_ones(kind: Kind, side_target: Auxiliary) -> None:
    expected = side_target != kind and (side_target != "counts" or kind == "gene_expression")
    assert TASKS[kind].may_train_with(side_target) is expected


def test_genes_are_an_input_where_the_answer_is_not_a_table() -> None:
    assert [kind for kind, facts in TASKS.items() if facts.only_reads_genes] == ["retrieve", "generate"]


def test_a_dataset_with_counts_can_be_asked_to_enhance_retrieve_and_generate() -> None:
    card = dataset(
        TargetFact(name="cell_abundance", kind="cell_abundance", title="cells", unit="cells"),
        TargetFact(name="gene_expression:array", kind="gene_expression", title="genes", unit="ln(1 + x)"),
    )
    assert [fact.name for fact in targets_of(card)[2:]] == ["enhance", "retrieve", "generate"]
    assert find_target(card, "retrieve").read_from == "gene_expression:array"
    assert find_target(card, "retrieve").unit == "ln(1 + x)"


def test_a_dataset_without_counts_cannot() -> None:
    card = dataset(TargetFact(name="label", kind="label", title="class", unit="class"))
    assert targets_of(card) == card.targets
