"""The kinds of task: one record of facts for each, and the targets that a dataset can be asked for."""

from collections.abc import Mapping
from dataclasses import dataclass

from histobench.contracts.cards import DatasetCard, TargetFact
from histobench.data import Auxiliary, Generated, Kind, Pairing, Prediction

__all__ = ["TASKS", "TaskFacts", "find_target", "targets_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What the platform needs to know about one kind of task.

    Attributes
    ----------
    title
        Title of the target that every dataset with gene expression offers; empty for a kind that datasets list
        themselves.
    question
        What methods are asked, for readers of a ranking; empty where the name of the target shows it.
    from_counts
        True if the targets are a panel of genes, normalised from counts.
    is_amount
        True if the targets are amounts (of molecules or cells) that are read off the image.
    is_class
        True if the targets are classes, one-hot.
    trains_with_counts
        True if a method may train with the raw counts of the genes that it predicts.
    shows_counts
        True if the method is given counts when it predicts.
    holds_out_counts
        True if some of these counts are held out, to be predicted.
    shows_test_patches
        False if the patches of test spots are hidden from the method, because it is asked to draw them.
    answer
        What the method's ``predict`` must return.
    has_targets
        False if the columns of a result are not targets but dimensions of the method's own space.
    is_judged
        True if the answer is images, which an encoder judges.
    """

    kind: Kind
    title: str = ""
    question: str = ""
    from_counts: bool = False
    is_amount: bool = False
    is_class: bool = False
    trains_with_counts: bool = False
    shows_counts: bool = False
    holds_out_counts: bool = False
    shows_test_patches: bool = True
    answer: type[Prediction | Pairing | Generated] = Prediction
    has_targets: bool = True
    is_judged: bool = False

    @property
    def only_reads_genes(self) -> bool:
        """Whether genes are an input and not predicted; one that was not counted is then read as not expressed."""
        return self.from_counts and self.answer is not Prediction

    def may_train_with(self, side_target: Auxiliary) -> bool:
        """Return whether a side target makes sense in addition to targets of this kind."""
        return side_target != self.kind and (side_target != "counts" or self.trains_with_counts)


TASKS: Mapping[Kind, TaskFacts] = {
    facts.kind: facts
    for facts in (
        TaskFacts(kind="gene_expression", from_counts=True, is_amount=True, trains_with_counts=True),
        TaskFacts(kind="cell_abundance", is_amount=True),
        TaskFacts(kind="label", is_class=True),
        TaskFacts(
            kind="enhance",
            title="expression cleaned of its noise; scored on molecules that were held out",
            question=(
                "expression cleaned of its noise; a method is given a part of each spot's counts, and is scored on the "
                "other part, which it never sees"
            ),
            from_counts=True,
            shows_counts=True,
            holds_out_counts=True,
        ),
        TaskFacts(
            kind="retrieve",
            title="the spot's image found by its expression among the slide's, and back",
            question=("each spot's image found by its expression among all spots of its slide (the gallery), and back"),
            from_counts=True,
            shows_counts=True,
            answer=Pairing,
            has_targets=False,
        ),
        TaskFacts(
            kind="generate",
            title="a patch drawn for the spot's expression",
            question=(
                "a patch drawn for each test spot's expression; all patches are judged at 64 px: by the features of a "
                "network, the judge, and by the expression that the reader, a ridge regression taught on real training "
                "patches, predicts from them; even from real patches it predicts only a part"
            ),
            from_counts=True,
            shows_counts=True,
            shows_test_patches=False,
            answer=Generated,
            is_judged=True,
        ),
    )
}
"""The facts of every kind."""


def targets_of(card: DatasetCard) -> tuple[TargetFact, ...]:
    """List what a dataset can be asked for: the targets of its card, and those that need only counts and images."""
    counted = next((fact for fact in card.targets if TASKS[fact.kind].from_counts), None)
    if counted is None:
        return card.targets
    derived = (
        TargetFact(name=facts.kind, kind=facts.kind, title=facts.title, unit=counted.unit, source=counted.name)
        for facts in TASKS.values()
        if facts.title
    )
    return (*card.targets, *derived)


def find_target(card: DatasetCard, name: str) -> TargetFact:
    """Return the target of exactly this name, which planning has checked to exist."""
    return next(fact for fact in targets_of(card) if fact.name == name)
