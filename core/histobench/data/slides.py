"""Slides, and their split into training, validation and test."""

from dataclasses import dataclass

from histobench.errors import DataError, LeakageError

__all__ = ["Slide", "Split"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slide:
    """One tissue section and its patient.

    Attributes
    ----------
    id
        Name of the section within its dataset.
    patient
        The person, named alike in all datasets: ``stnet:23567``.
    mpp
        Microns per pixel of the full-resolution image; ``None`` if unknown.
    """

    id: str
    patient: str
    mpp: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One fold of cross-validation: slides for training, validation and test.

    Raises
    ------
    LeakageError
        If a slide is on two sides, or a patient is and ``shares_patients`` is False.
    """

    fold: str
    train: tuple[Slide, ...]
    val: tuple[Slide, ...]
    test: tuple[Slide, ...]
    shares_patients: bool = False

    def __post_init__(self) -> None:
        """Refuse empty sides and leakage."""
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
            here, there = (", ".join(repr(s.id) for s in side if s.patient == patient) for side in (left, right))
            raise LeakageError(
                f"fold {self.fold}: patient {patient!r} has slides in both {one} ({here}) and {other} ({there})."
            )
