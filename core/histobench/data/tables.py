"""The measurements on a slide, one row per spot."""

from dataclasses import dataclass, replace
from typing import Self

from histobench.data._checks import check_finite, check_rows, check_shape, check_table
from histobench.data.kinds import Kind, Lattice
from histobench.data.slides import Slide
from histobench.data.types import Float, Int
from histobench.errors import DataError, ShapeError

__all__ = ["Counts", "SpotTable", "Targets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """The values to predict at each spot, with named columns.

    Attributes
    ----------
    names
        (t,) one per column, unique.
    values
        (n, t) float32; expression, abundance, or one-hot labels. Finite.
    """

    kind: Kind
    names: tuple[str, ...]
    values: Float

    def __post_init__(self) -> None:
        """Refuse values that do not fit the names or are not finite."""
        check_table("targets", self.names, self.values)
        check_finite("targets", self.names, self.values)

    def take(self, rows: Int) -> Self:
        """Return some of the spots, in the given order."""
        return replace(self, values=self.values[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Raw transcript counts: (n, g) float32, non-negative, with the genes' names."""

    names: tuple[str, ...]
    values: Float

    def __post_init__(self) -> None:
        """Refuse values that cannot be counts."""
        check_table("counts", self.names, self.values)
        check_finite("counts", self.names, self.values)
        if self.values.size and self.values.min() < 0:
            raise ShapeError("counts must not be negative.")

    def take(self, rows: Int) -> Self:
        """Return some of the spots, in the given order."""
        return replace(self, values=self.values[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotTable:
    """All measurements on one slide, one row per spot.

    Attributes
    ----------
    spot_ids
        (n,) unique.
    xy_um
        (n, 2) position on the slide in microns.
    xy_px
        (n, 2) position of the spot's centre in full-resolution image pixels, x first.
    array
        (n, 2) integer position on the capture lattice, column first.
    targets
        The requested targets, unless they are derived from counts.
    counts
        Raw counts, if the dataset has them.
    oracle
        The best possible prediction, if the truth is known (synthetic tissue).
    """

    slide: Slide
    spot_ids: tuple[str, ...]
    xy_um: Float
    xy_px: Float
    array: Int
    lattice: Lattice = "square"
    targets: Targets | None = None
    counts: Counts | None = None
    oracle: Targets | None = None

    def __post_init__(self) -> None:
        """Refuse columns of different lengths and repeated spots."""
        n = len(self.spot_ids)
        if not n:
            raise DataError(f"slide {self.slide.id!r} has no spots.")
        if len(set(self.spot_ids)) != n:
            twice = next(s for s in self.spot_ids if self.spot_ids.count(s) > 1)
            raise DataError(f"slide {self.slide.id!r}: spot {twice!r} is in the table twice.")
        for name in ("xy_um", "xy_px", "array"):
            check_shape(name, getattr(self, name), (n, 2))
        for name in ("targets", "counts", "oracle"):
            part = getattr(self, name)
            if part is not None:
                check_rows(f"slide {self.slide.id!r}: {name}", part.values, n)
