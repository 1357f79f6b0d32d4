"""From slides to the samples a method is given: tables, panel, patches or embeddings, one slide after another."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from histobench.cache import Cache
from histobench.contracts import Dataset, Encoder
from histobench.data import Counts, Float, LabelledSamples, Patches, Samples, Slide, SpotTable, Targets
from histobench.embedding import PatchStack, slide_embeddings, slide_patches
from histobench.errors import DataError
from histobench.panels import Panel

__all__ = ["Assembler", "join"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembler:
    """Makes samples of slides for one job.

    Attributes
    ----------
    panel, auxiliary
        What is predicted, and what the method trains with beside it.
    encoder, encoder_name
        The built encoder; ``None`` if the method looks at no image.
    embeds
        True if the samples carry embeddings, False if they carry patches for the method's own encoder.
    shows_oracle
        True only for the control that is shown the truth.
    """

    dataset: Dataset
    target: str
    panel: Panel
    cache: Cache
    auxiliary: Panel | None = None
    encoder: Encoder | None = None
    encoder_name: str = ""
    embeds: bool = True
    shows_oracle: bool = False
    device: str = "cpu"

    def labelled(self, slides: Sequence[Slide]) -> LabelledSamples:
        """Make training or validation samples."""
        return join([self._slide(slide) for slide in slides])

    def unlabelled(self, slide: Slide) -> tuple[Samples, Targets]:
        """Make one test slide's samples, and its targets apart from them."""
        labelled = self._slide(slide)
        columns = {field.name: getattr(labelled, field.name) for field in fields(Samples)}
        return Samples(**columns), labelled.targets

    def _slide(self, slide: Slide) -> LabelledSamples:
        table = self.dataset.table(slide, self.target)
        n = len(table.spot_ids)
        return LabelledSamples(
            slide_ids=np.full(n, slide.id),
            spot_ids=np.array(table.spot_ids, dtype=np.str_),
            xy_um=table.xy_um,
            array=table.array,
            lattice=table.lattice,
            embeddings=self._embeddings(table),
            patches=self._patches(table),
            oracle=self._oracle(table),
            targets=self.panel.read(table),
            auxiliary=None if self.auxiliary is None else self.auxiliary.read(table),
        )

    def _embeddings(self, table: SpotTable) -> Float | None:
        if self.encoder is None or not self.embeds:
            return None
        image = self.dataset.image(table.slide)
        return slide_embeddings(self.cache, self.encoder, image, table, name=self.encoder_name, device=self.device)

    def _patches(self, table: SpotTable) -> Patches | None:
        if self.encoder is None or self.embeds:
            return None
        return slide_patches(self.cache, self.dataset.image(table.slide), table, self.encoder.geometry)

    def _oracle(self, table: SpotTable) -> Targets | None:
        if not self.shows_oracle:
            return None
        if table.oracle is None:
            raise DataError(f"slide {table.slide.id!r} has no oracle to show.")
        place = {name: column for column, name in enumerate(table.oracle.names)}
        columns = [place[name] for name in self.panel.names]
        return replace(table.oracle, names=self.panel.names, values=table.oracle.values[:, columns])


def join(parts: Sequence[LabelledSamples]) -> LabelledSamples:
    """Put the samples of several slides one after the other; patches stay where they are."""
    first = parts[0]
    columns: dict[str, Any] = {}  # Any: columns of different types
    for field in fields(LabelledSamples):
        column = [getattr(part, field.name) for part in parts]
        columns[field.name] = (
            column[0] if column[0] is None or field.name == "lattice" else _join_column(field.name, column)
        )
    return replace(first, **columns)


def _join_column(name: str, column: Sequence[Any]) -> Any:  # Any: arrays, tables or patches, as given
    if name == "patches":
        return PatchStack(column)
    if isinstance(column[0], Targets | Counts):
        return replace(column[0], values=_concatenate([part.values for part in column]))
    return _concatenate(column)


def _concatenate(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return np.concatenate(arrays)
