"""Tasks that any dataset with counts and images has, whether its card knows of them or not."""

from histobench.contracts.cards import DatasetCard, TargetFact
from histobench.data import Kind

__all__ = ["GIVEN_COUNTS", "find_target", "targets_of"]

_DERIVED: dict[Kind, str] = {  # each needs counts and an image, and no more
    "enhance": "expression cleaned of its noise; scored on molecules that were held out",
    "retrieve": "the spot's image found by its expression among the slide's, and back",
    "generate": "a patch drawn for the spot's expression",
}

GIVEN_COUNTS = frozenset(_DERIVED)
"""Kinds whose methods are given counts when they predict: all of expression but that which is read off the image."""


def targets_of(card: DatasetCard) -> tuple[TargetFact, ...]:
    """List what a dataset can be asked for: what its card says, and what follows from its expression."""
    expression = next((fact for fact in card.targets if fact.kind == "gene_expression"), None)
    if expression is None:
        return card.targets
    derived = (
        TargetFact(name=kind, kind=kind, title=title, unit=expression.unit, source=expression.name)
        for kind, title in _DERIVED.items()
    )
    return (*card.targets, *derived)


def find_target(card: DatasetCard, name: str) -> TargetFact:
    """Give the target of this very name, which planning has found before."""
    return next(fact for fact in targets_of(card) if fact.name == name)
