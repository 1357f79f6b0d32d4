"""The inputs of methods: samples, and labelled samples for training."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from histobench.data._checks import check_rows, check_shape
from histobench.data.kinds import Lattice
from histobench.data.tables import Counts, Targets
from histobench.data.types import Float, Int, Patches
from histobench.errors import DataError, ShapeError

__all__ = ["LabelledSamples", "Samples"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The input for prediction; it has no targets, so leakage is a type error.

    Rows are grouped by slide, in the file order of each slide.

    Attributes
    ----------
    slide_ids, spot_ids
        (n,) str.
    xy_um
        (n, 2) position on the slide in microns.
    array
        (n, 2) integer position on the capture lattice, column first; with ``lattice`` it determines the neighbours
        (`histobench.data.graphs`).
    embeddings
        (n, d) float32 from a frozen encoder, if the method uses them.
    patches
        n patches of (h, w, 3) uint8 RGB, read when indexed, if the method uses them.
    counts
        (n, g) raw counts of every gene seen in training, only for tasks with counts as input: ``enhance`` (without the
        hidden ones, see `histobench.data.held_out_counts`), ``retrieve`` and ``generate``.
    oracle
        The truth behind the targets, only for a control with ``needs_oracle``.
    """

    slide_ids: npt.NDArray[np.str_]
    spot_ids: npt.NDArray[np.str_]
    xy_um: Float
    array: Int
    lattice: Lattice = "square"
    embeddings: Float | None = None
    patches: Patches | None = None
    counts: Counts | None = None
    oracle: Targets | None = None

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        n = len(self.spot_ids)
        check_shape("slide_ids", self.slide_ids, (n,))
        check_shape("xy_um", self.xy_um, (n, 2))
        check_shape("array", self.array, (n, 2))
        if self.embeddings is not None:
            if self.embeddings.ndim != 2:
                raise ShapeError(f"embeddings must be ({n}, d), got {self.embeddings.shape}.")
            check_rows("embeddings", self.embeddings, n)
        for name in ("patches", "counts", "oracle"):
            part = getattr(self, name)
            if part is not None:
                rows = len(part) if name == "patches" else len(part.values)
                if rows != n:
                    raise ShapeError(f"{name} must have {n} rows, got {rows}.")

    def __len__(self) -> int:
        """Return the number of spots."""
        return len(self.spot_ids)

    def need_embeddings(self, who: str) -> Float:
        """Return the (n, d) embeddings.

        Parameters
        ----------
        who
            The method, for the message.

        Raises
        ------
        DataError
            If the samples have none.
        """
        if self.embeddings is None:
            raise DataError(f"{who} needs embeddings, and these samples have none.")
        return self.embeddings

    def need_patches(self, who: str) -> Patches:
        """Return the n patches, or raise `DataError` if the samples have none."""
        if self.patches is None:
            raise DataError(f"{who} needs patches, and these samples have none.")
        return self.patches

    def need_counts(self, who: str) -> Counts:
        """Return the (n, g) raw counts, or raise `DataError` if the samples have none."""
        if self.counts is None:
            raise DataError(f"{who} needs raw counts, and these samples have none.")
        return self.counts

    def take(self, rows: Int) -> Self:
        """Return some of the spots, in the given order; patches are read."""
        parts: dict[str, Any] = {}  # Any: columns of different types
        for column in fields(self):
            part = getattr(self, column.name)
            if isinstance(part, Counts | Targets):
                parts[column.name] = part.take(rows)
            elif isinstance(part, Mapping):
                parts[column.name] = {name: inner.take(rows) for name, inner in part.items()}
            elif part is not None and not isinstance(part, str):
                parts[column.name] = part[rows]
        return replace(self, **parts)

    def by_slide(self) -> Iterator[tuple[str, Int]]:
        """Yield each slide's name and its rows, in order of first appearance."""
        names, first = np.unique(self.slide_ids, return_index=True)
        for name in names[np.argsort(first)]:
            yield str(name), np.flatnonzero(self.slide_ids == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSamples(Samples):
    """Samples with their targets; only ``fit`` receives them.

    Attributes
    ----------
    targets
        The targets to predict.
    beside
        Side targets that the method trains with (CUCA's genes); its card asks for them by these names
        (`histobench.data.Auxiliary`).
    totals
        (n,) float64 transcripts of each spot over all genes; ``None`` if there are no counts.
    patients
        (n,) str patient of each spot, for choices within training that are made patient by patient; ``None`` if
        unknown.
    """

    targets: Targets
    beside: Mapping[str, Targets] = field(default_factory=dict)
    totals: Float | None = None
    patients: npt.NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        """Refuse targets of different lengths."""
        Samples.__post_init__(self)  # super() does not work in a slotted dataclass
        check_rows("targets", self.targets.values, len(self))
        for name, extra in self.beside.items():
            check_rows(f"side target {name!r}", extra.values, len(self))
        if self.totals is not None:
            check_shape("totals", self.totals, (len(self),))
        if self.patients is not None:
            check_shape("patients", self.patients, (len(self),))
