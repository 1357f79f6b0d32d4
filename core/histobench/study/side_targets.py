"""Side targets: what a method trains with in addition to the targets that it predicts, fitted in each fold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from histobench.contracts.cards import DatasetCard
from histobench.contracts.protocols import Dataset
from histobench.data import Auxiliary, Kind, Slide, SpotTable, Targets
from histobench.data.panels import Panel, fit_panel, genes_seen, is_expression
from histobench.errors import DataError

__all__ = ["SOURCES", "SideTarget", "fit_side_targets", "read_regions", "source_of"]

SOURCES: Mapping[Auxiliary, Kind] = {
    "gene_expression": "gene_expression",
    "other_genes": "gene_expression",
    "counts": "gene_expression",
    "label": "label",
    "cell_abundance": "cell_abundance",
}
"""Side target → the kind of dataset target that it is read from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideTarget:
    """A side target, fitted on the training slides.

    Attributes
    ----------
    source
        Name of the dataset's target that it is read from.
    raw
        True for raw counts, False for values in the panel's unit.
    slides
        Ids of the slides that have this source; on other slides every spot is a row of zeros.
    """

    panel: Panel
    source: str
    raw: bool = False
    slides: frozenset[str] = frozenset()

    def read(self, dataset: Dataset, table: SpotTable) -> Targets:
        """Read (n, t) values for the spots of a table, in its order."""
        if self.raw:
            return self.panel.counts(table)
        if is_expression(self.panel.kind):
            return self.panel.read(table)
        values = np.zeros((len(table.spot_ids), len(self.panel.names)), dtype=np.float32)
        if table.slide.id in self.slides:
            own = dataset.table(table.slide, self.source)
            place = {spot: row for row, spot in enumerate(own.spot_ids)}
            rows = np.array([place.get(spot, -1) for spot in table.spot_ids])
            values[rows >= 0] = self.panel.read(own).values[rows[rows >= 0]]
        return Targets(kind=self.panel.kind, names=self.panel.names, values=values)


def source_of(name: Auxiliary, card: DatasetCard) -> str | None:
    """Name the dataset's target that a side target is read from: the first of its kind; ``None`` if there is none."""
    return next((fact.name for fact in card.targets if fact.kind == SOURCES[name]), None)


def read_regions(dataset: Dataset, source: str, slide: Slide, spot_ids: Sequence[str]) -> npt.NDArray[np.str_] | None:
    """Read the annotated class of each spot: (n,) str, empty where a spot was not annotated.

    The classes are read from the dataset's target ``source``; ``None`` if the slide has none.
    """
    if slide.id not in {labelled.id for labelled in dataset.slides(source)}:
        return None
    table = dataset.table(slide, source)
    if table.targets is None:
        return None
    classes = np.array(table.targets.names, dtype=np.str_)[table.targets.values.argmax(axis=1)]
    labelled = (table.targets.values != 0).any(axis=1)
    by_spot = dict(zip(table.spot_ids, np.where(labelled, classes, ""), strict=True))
    return np.array([by_spot.get(spot, "") for spot in spot_ids], dtype=np.str_)


def fit_side_targets(
    asked: Iterable[tuple[Auxiliary, str, str]], dataset: Dataset, train: Sequence[SpotTable], panel: Panel
) -> dict[str, SideTarget]:
    """Fit side targets on the training slides.

    Parameters
    ----------
    asked
        For each its name, the dataset's target that it is read from, and the unit.
    train
        The tables of the training slides.
    panel
        The panel of the predicted targets.

    Raises
    ------
    DataError
        If no slide has one of them.
    """
    return {name: _fit(name, dataset, train, panel=panel, source=source, unit=unit) for name, source, unit in asked}


def _fit(
    name: Auxiliary, dataset: Dataset, train: Sequence[SpotTable], *, panel: Panel, source: str, unit: str
) -> SideTarget:
    if name == "counts":
        return SideTarget(panel=_genes(panel.names, train, unit="counts"), source=source, raw=True)
    if name == "other_genes":
        known = set(panel.names)
        names = tuple(gene for gene in genes_seen(train) if gene not in known)
        return SideTarget(panel=_genes(names, train, unit=unit), source=source)
    kind = SOURCES[name]
    if is_expression(kind):
        return SideTarget(panel=fit_panel(kind, train, unit=unit), source=source)
    slides = dataset.slides(source)
    if not slides:
        raise DataError(f"the method trains with {source!r}, and no slide has it.")
    # classes and cell types are fixed by the dataset, so any slide shows them; a training slide if one has them
    training = {table.slide.id for table in train}
    first = min(slides, key=lambda slide: slide.id not in training)
    fitted = fit_panel(kind, [dataset.table(first, source)], unit=unit)
    return SideTarget(panel=fitted, source=source, slides=frozenset(slide.id for slide in slides))


def _genes(names: tuple[str, ...], train: Sequence[SpotTable], *, unit: str) -> Panel:
    fitted_on = tuple(table.slide.id for table in train)
    return Panel(kind="gene_expression", names=names, unit=unit, fitted_on=fitted_on)
