"""What a method trains with beside the targets that it predicts: panels fitted in the fold, read slide by slide."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from histobench.contracts.cards import DatasetCard
from histobench.contracts.protocols import Dataset
from histobench.data import Auxiliary, Kind, Slide, SpotTable, Targets
from histobench.data.panels import Panel, fit_panel, genes_seen
from histobench.errors import DataError

__all__ = ["SOURCES", "Companion", "fit_companions", "read_regions", "source_of"]

SOURCES: Mapping[Auxiliary, Kind] = {
    "gene_expression": "gene_expression",
    "other_genes": "gene_expression",
    "counts": "gene_expression",
    "label": "label",
    "cell_abundance": "cell_abundance",
}
"""The kind of target of a dataset that each is read from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """One of them, fitted.

    Attributes
    ----------
    source
        The dataset's name of the target that it is read from.
    raw
        True for counts as they were counted, False for values in the panel's unit.
    slides
        Ids of the slides that have this source; elsewhere every spot is a row of zeros.
    """

    panel: Panel
    source: str
    raw: bool = False
    slides: frozenset[str] = frozenset()

    def read(self, dataset: Dataset, table: SpotTable) -> Targets:
        """Read (n, t) values for the spots of a table, in its order."""
        if self.raw:
            return self.panel.counts(table)
        if self.panel.kind == "gene_expression":
            return self.panel.read(table)
        values = np.zeros((len(table.spot_ids), len(self.panel.names)), dtype=np.float32)
        if table.slide.id in self.slides:
            own = dataset.table(table.slide, self.source)
            place = {spot: row for row, spot in enumerate(own.spot_ids)}
            rows = np.array([place.get(spot, -1) for spot in table.spot_ids])
            values[rows >= 0] = self.panel.read(own).values[rows[rows >= 0]]
        return Targets(kind=self.panel.kind, names=self.panel.names, values=values)


def source_of(name: Auxiliary, card: DatasetCard) -> str | None:
    """Name the dataset's target that this is read from: the default of its kind, or ``None`` if it has none."""
    return next((fact.name for fact in card.targets if fact.kind == SOURCES[name]), None)


def read_regions(dataset: Dataset, source: str, slide: Slide, spot_ids: Sequence[str]) -> npt.NDArray[np.str_] | None:
    """Name the class that each spot of a slide was annotated as: (n,) str, empty where it was not annotated.

    ``None`` where the slide has no labels, which are read from the dataset's target ``source``.
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


def fit_companions(
    asked: Iterable[tuple[Auxiliary, str, str]], dataset: Dataset, train: Sequence[SpotTable], panel: Panel
) -> dict[str, Companion]:
    """Fit each on the training slides.

    Parameters
    ----------
    asked
        Name, the dataset's target that it is read from, and its unit.
    train
        The tables of the training slides.
    panel
        Of the predicted targets.

    Raises
    ------
    DataError
        If no slide has what was asked for.
    """
    return {name: _fit(name, dataset, train, panel=panel, source=source, unit=unit) for name, source, unit in asked}


def _fit(
    name: Auxiliary, dataset: Dataset, train: Sequence[SpotTable], *, panel: Panel, source: str, unit: str
) -> Companion:
    if name == "counts":
        return Companion(panel=_genes(panel.names, train, unit="counts"), source=source, raw=True)
    if name == "other_genes":
        known = set(panel.names)
        names = tuple(gene for gene in genes_seen(train) if gene not in known)
        return Companion(panel=_genes(names, train, unit=unit), source=source)
    if name == "gene_expression":
        return Companion(panel=fit_panel("gene_expression", train, unit=unit), source=source)
    slides = dataset.slides(source)
    if not slides:
        raise DataError(f"no slide has {source!r}, which the method trains with.")
    # the classes and types are the dataset's own, the same on every slide
    first = dataset.table(_known_first(slides, train), source)
    fitted = fit_panel(SOURCES[name], [first], unit=unit)
    return Companion(panel=fitted, source=source, slides=frozenset(slide.id for slide in slides))


def _genes(names: tuple[str, ...], train: Sequence[SpotTable], *, unit: str) -> Panel:
    fitted_on = tuple(table.slide.id for table in train)
    return Panel(kind="gene_expression", names=names, unit=unit, fitted_on=fitted_on)


def _known_first(slides: Sequence[Slide], train: Sequence[SpotTable]) -> Slide:
    training = {table.slide.id for table in train}
    return min(slides, key=lambda slide: slide.id not in training)
