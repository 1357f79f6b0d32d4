"""The data that travel between datasets, methods, metrics and the store.

All are frozen, keyword-only dataclasses over numpy that check themselves when made, so that a head returning
``(n,)`` for one target fails at once and never broadcasts into a plausible number. Axis letters: ``n`` spots,
``t`` targets, ``d`` embedding dimensions, ``h w c`` image.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from histobench.errors import DataError, LeakageError, ShapeError

__all__ = [
    "Counts",
    "Float",
    "Int",
    "Kind",
    "LabelledSamples",
    "Lattice",
    "Patches",
    "Prediction",
    "Samples",
    "Slide",
    "SlideResult",
    "Split",
    "SpotTable",
    "Targets",
    "Task",
    "UInt8",
]

# The element type stands in the name; numpy cannot put the shape into a type, docstrings give it.
Float: TypeAlias = npt.NDArray[np.floating[Any]]
Int: TypeAlias = npt.NDArray[np.integer[Any]]
UInt8: TypeAlias = npt.NDArray[np.uint8]

Kind: TypeAlias = Literal["gene_expression", "cell_abundance", "label"]
Lattice: TypeAlias = Literal["square", "hex"]


class Patches(Protocol):
    """A stack of patches that is read when indexed; a plain array is one too."""

    def __len__(self) -> int:
        """Count the patches."""
        ...

    def __getitem__(self, rows: Any, /) -> UInt8:  # Any: whatever numpy takes for an index of rows
        """Read patches as ``(k, h, w, 3)`` uint8 RGB."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Slide:
    """One tissue section and whose it is.

    Attributes
    ----------
    id
        Name of the section within its dataset.
    patient
        The person, in a namespace shared by all datasets: ``stnet:23567`` wherever that person appears.
    mpp
        Microns per pixel of the full-resolution image; ``None`` where unknown.
    """

    id: str
    patient: str
    mpp: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What is to be predicted at each spot, addressed by name.

    Attributes
    ----------
    names
        (t,) one per column, without repetition.
    values
        (n, t) float32; expression, abundance, or one-hot labels. Finite.
    """

    kind: Kind
    names: tuple[str, ...]
    values: Float

    def __post_init__(self) -> None:
        """Refuse values that do not fit the names or are not finite."""
        _check_table("targets", self.names, self.values)
        _check_finite("targets", self.names, self.values)

    def take(self, rows: Int) -> Self:
        """Keep some spots, in the order given."""
        return replace(self, values=self.values[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Raw transcript counts: (n, g) float32, non-negative, with the genes' names."""

    names: tuple[str, ...]
    values: Float

    def __post_init__(self) -> None:
        """Refuse values that no counting can give."""
        _check_table("counts", self.names, self.values)
        _check_finite("counts", self.names, self.values)
        if self.values.size and self.values.min() < 0:
            raise ShapeError("counts must not be negative.")

    def take(self, rows: Int) -> Self:
        """Keep some spots, in the order given."""
        return replace(self, values=self.values[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotTable:
    """All that was measured on one slide, one row a spot.

    Attributes
    ----------
    spot_ids
        (n,) without repetition.
    xy_um
        (n, 2) position on the slide in microns.
    xy_px
        (n, 2) position of the spot's centre in full-resolution image pixels, x first.
    array
        (n, 2) integer position on the capture lattice, column first.
    targets
        The requested targets, where they are read and not derived from counts.
    counts
        Raw counts, where the dataset has them.
    oracle
        The best prediction there can be, where the truth is known (synthetic tissue).
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
        """Refuse a table whose columns differ in length or whose spots repeat."""
        n = len(self.spot_ids)
        if not n:
            raise DataError(f"slide {self.slide.id!r} has no spots.")
        if len(set(self.spot_ids)) != n:
            twice = next(s for s in self.spot_ids if self.spot_ids.count(s) > 1)
            raise DataError(f"slide {self.slide.id!r}: spot {twice!r} stands twice in the table.")
        for name in ("xy_um", "xy_px", "array"):
            _check_shape(name, getattr(self, name), (n, 2))
        for name in ("targets", "counts", "oracle"):
            part = getattr(self, name)
            if part is not None:
                _check_rows(f"slide {self.slide.id!r}: {name}", part.values, n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One round of cross-validation: slides to train on, to select on, and to test on.

    Raises
    ------
    LeakageError
        If a slide stands on two sides, or a patient does and ``shares_patients`` was not asked for.
    """

    fold: str
    train: tuple[Slide, ...]
    val: tuple[Slide, ...]
    test: tuple[Slide, ...]
    shares_patients: bool = False

    def __post_init__(self) -> None:
        """Refuse leakage."""
        if not self.train or not self.test:
            side = "train" if not self.train else "test"
            raise DataError(f"fold {self.fold}: no {side} slides.")
        sides = {"train": self.train, "val": self.val, "test": self.test}
        for one, other in (("train", "test"), ("val", "test"), ("train", "val")):
            self._refuse_overlap(one, sides[one], other, sides[other])

    def _refuse_overlap(self, one: str, left: tuple[Slide, ...], other: str, right: tuple[Slide, ...]) -> None:
        for slide in left:
            if slide.id in {s.id for s in right}:
                raise LeakageError(f"fold {self.fold}: slide {slide.id!r} is in both {one} and {other}.")
        shared = {s.patient for s in left} & {s.patient for s in right}
        if shared and not self.shares_patients:
            patient = min(shared)
            ours = ", ".join(repr(s.id) for s in left if s.patient == patient)
            theirs = ", ".join(repr(s.id) for s in right if s.patient == patient)
            raise LeakageError(
                f"fold {self.fold}: patient {patient!r} has slides in both {one} ({ours}) and {other} ({theirs})."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A dataset and one kind of target on it, with the metric that ranks."""

    dataset: str
    target: str
    kind: Kind
    metrics: tuple[str, ...]
    primary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What a method may look at when it predicts; it has no targets, so leakage is a type error.

    Rows are grouped by slide, in the file order of each slide.

    Attributes
    ----------
    slide_ids, spot_ids
        (n,) str.
    xy_um
        (n, 2) position on the slide in microns.
    array
        (n, 2) integer position on the capture lattice, column first; with ``lattice`` it gives the neighbours
        (``histobench.graphs``).
    embeddings
        (n, d) float32 from a frozen encoder, if the method asked for them.
    patches
        n patches of (h, w, 3) uint8 RGB, read when indexed, if the method asked for them.
    counts
        Raw counts, only where the task gives them to the method as an input.
    oracle
        The truth behind the targets, only for a control that says it is an oracle.
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
        """Refuse columns of different length."""
        n = len(self.spot_ids)
        _check_shape("slide_ids", self.slide_ids, (n,))
        _check_shape("xy_um", self.xy_um, (n, 2))
        _check_shape("array", self.array, (n, 2))
        if self.embeddings is not None:
            if self.embeddings.ndim != 2:
                raise ShapeError(f"embeddings must be ({n}, d), got {self.embeddings.shape}.")
            _check_rows("embeddings", self.embeddings, n)
        for name in ("patches", "counts", "oracle"):
            part = getattr(self, name)
            if part is not None:
                rows = len(part) if name == "patches" else len(part.values)
                if rows != n:
                    raise ShapeError(f"{name} must have {n} rows, got {rows}.")

    def __len__(self) -> int:
        """Count the spots."""
        return len(self.spot_ids)

    def take(self, rows: Int) -> Self:
        """Keep some spots, in the order given; patches are read."""
        parts: dict[str, Any] = {}  # Any: columns of different types
        for field in fields(self):
            part = getattr(self, field.name)
            if isinstance(part, Counts | Targets):
                parts[field.name] = part.take(rows)
            elif part is not None and not isinstance(part, str):
                parts[field.name] = part[rows]
        return replace(self, **parts)

    def by_slide(self) -> Iterator[tuple[str, Int]]:
        """Yield each slide's name and its rows, in order of first appearance."""
        names, first = np.unique(self.slide_ids, return_index=True)
        for name in names[np.argsort(first)]:
            yield str(name), np.flatnonzero(self.slide_ids == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSamples(Samples):
    """Samples with their targets; only ``fit`` ever receives one.

    Attributes
    ----------
    targets
        What the method must learn to predict.
    auxiliary
        Targets that the method uses while training and never predicts for the record (CUCA's genes).
    patients
        (n,) str, whose spot it is, so that what is chosen within training can be chosen patient by patient too;
        ``None`` where unknown.
    """

    targets: Targets
    auxiliary: Targets | None = None
    patients: npt.NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        """Refuse targets of different length."""
        Samples.__post_init__(self)  # super() does not work in a slotted dataclass
        _check_rows("targets", self.targets.values, len(self))
        if self.auxiliary is not None:
            _check_rows("auxiliary targets", self.auxiliary.values, len(self))
        if self.patients is not None:
            _check_shape("patients", self.patients, (len(self),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a method says of each spot.

    Attributes
    ----------
    names
        (t,) names of the targets.
    values
        (n, t) float32, in the targets' unit. Finite.
    """

    names: tuple[str, ...]
    values: Float

    def __post_init__(self) -> None:
        """Refuse anything but a finite (n, t) table."""
        _check_table("prediction", self.names, self.values)
        _check_finite("prediction", self.names, self.values)

    def check_against(self, n_spots: int, names: tuple[str, ...]) -> None:
        """Raise ``ShapeError`` unless this predicts exactly these targets at this many spots."""
        if self.values.shape != (n_spots, len(names)):
            raise ShapeError(f"prediction must be ({n_spots}, {len(names)}), got {self.values.shape}.")
        if self.names != names:
            wrong = next((mine, theirs) for mine, theirs in zip(self.names, names, strict=True) if mine != theirs)
            raise ShapeError(f"prediction names {wrong[0]!r} where the task has {wrong[1]!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideResult:
    """What was predicted on one test slide, beside what was observed: enough to compute any metric later.

    Attributes
    ----------
    spot_ids
        (n,) str.
    xy_um
        (n, 2) microns.
    """

    slide_id: str
    spot_ids: npt.NDArray[np.str_]
    xy_um: Float
    predicted: Prediction
    observed: Targets

    def __post_init__(self) -> None:
        """Refuse a prediction of other spots or targets than were observed."""
        n = len(self.spot_ids)
        _check_shape("xy_um", self.xy_um, (n, 2))
        _check_rows("observed", self.observed.values, n)
        self.predicted.check_against(n, self.observed.names)


def _check_shape(what: str, values: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    if np.shape(values) != shape:
        raise ShapeError(f"{what} must be {shape}, got {np.shape(values)}.")


def _check_rows(what: str, values: npt.NDArray[Any], n: int) -> None:
    if len(values) != n:
        raise ShapeError(f"{what} must have {n} rows, got {len(values)}.")


def _check_table(what: str, names: tuple[str, ...], values: npt.NDArray[Any]) -> None:
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.shape[1] != len(names):
        raise ShapeError(f"{what} must be (n_spots, {len(names)}), got {np.shape(values)}.")
    if len(set(names)) != len(names):
        raise ShapeError(f"{what} repeat a name: {_first_repeated(names)!r}.")


def _check_finite(what: str, names: tuple[str, ...], values: Float) -> None:
    broken = ~np.isfinite(values)
    if broken.any():
        column = names[int(broken.any(axis=0).argmax())]
        raise ShapeError(f"{what} must be finite, got {int(broken.sum())} NaN or infinite values, e.g. for {column!r}.")


def _first_repeated(names: tuple[str, ...]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    raise ShapeError("no name repeats.")
