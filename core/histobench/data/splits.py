"""Folds: who is trained on, selected on and tested on.

A `Scheme` is data on a dataset's card. It either lists published folds by slide, or says what is left out, one
patient or one slide at a time. A fold that cannot be formed from the slides at hand is named with its reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from histobench.data.slides import Slide, Split
from histobench.errors import DataError

__all__ = ["Folds", "PublishedFold", "Scheme", "leave_one_patient_out", "leave_one_slide_out", "make_folds"]

# With fewer training patients than this none is spared for validation, and the last epoch is kept.
MIN_PATIENTS_TO_SPARE_ONE = 3
"""Training patients needed before one of them becomes the validation patient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFold:
    """A fold as its authors printed it: slide ids on each side."""

    name: str
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How a dataset is cut into folds.

    Attributes
    ----------
    leave_out
        What each fold tests on; ``None`` if ``folds`` are listed.
    leaks
        True if patients stand on both sides; such numbers are marked wherever they appear.
    source
        Who published it.
    """

    name: str
    title: str
    leave_out: Literal["patient", "slide"] | None = None
    folds: tuple[PublishedFold, ...] = ()
    leaks: bool = False
    source: str = ""


leave_one_patient_out = Scheme(
    name="leave-one-patient-out",
    title="test on one patient at a time; another is held out for selection when three or more remain",
    leave_out="patient",
)
"""The default scheme of every dataset with more than one patient."""

leave_one_slide_out = Scheme(
    name="leave-one-slide-out",
    title="test on one slide at a time, its patient's other slides in training: leaks the patient; no validation",
    leave_out="slide",
    leaks=True,
)
"""The scheme of HisToGene and its followers; kept for comparison, and marked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """The folds that can be formed.

    Attributes
    ----------
    unavailable
        Fold that cannot be formed → why.
    shrunken
        Published fold that lacks some of its slides here → what is left of it.
    """

    splits: tuple[Split, ...]
    unavailable: dict[str, str]
    shrunken: dict[str, str] = field(default_factory=dict)


def make_folds(scheme: Scheme, slides: Sequence[Slide]) -> Folds:
    """Cut slides into folds.

    Parameters
    ----------
    slides
        The usable slides; published folds are restricted to them.

    Raises
    ------
    DataError
        If no fold at all can be formed; the message gives every fold's reason.
    LeakageError
        If published folds put one patient on both sides and the scheme is not marked as leaking.
    """
    folds = _published(scheme, slides) if scheme.folds else _leave_one_out(scheme, slides)
    if not folds.splits:
        reasons = "; ".join(f"fold {name}: {why}" for name, why in folds.unavailable.items())
        have = ", ".join(s.id for s in slides) or "none"
        raise DataError(
            f"scheme {scheme.name!r} forms no fold from the slides at hand ({have}){': ' if reasons else ''}{reasons}."
        )
    return folds


def _published(scheme: Scheme, slides: Sequence[Slide]) -> Folds:
    here = {slide.id: slide for slide in slides}
    splits: list[Split] = []
    unavailable: dict[str, str] = {}
    shrunken: dict[str, str] = {}
    for fold in scheme.folds:
        sides = [tuple(here[s] for s in side if s in here) for side in (fold.train, fold.val, fold.test)]
        empty = [name for name, side in (("train", sides[0]), ("test", sides[2])) if not side]
        if empty:
            unavailable[fold.name] = f"none of its {' nor '.join(empty)} slides is usable here"
            continue
        splits.append(Split(fold=fold.name, train=sides[0], val=sides[1], test=sides[2], shares_patients=scheme.leaks))
        published = {"train": fold.train, "val": fold.val, "test": fold.test}
        if any(len(side) < len(whole) for side, whole in zip(sides, published.values(), strict=True)):
            left = (f"{len(s)} of {len(w)} {name}" for s, (name, w) in zip(sides, published.items(), strict=True))
            shrunken[fold.name] = f"{', '.join(left)} slides" + ("" if sides[1] else "; the last epoch is kept")
    return Folds(splits=tuple(splits), unavailable=unavailable, shrunken=shrunken)


def _leave_one_out(scheme: Scheme, slides: Sequence[Slide]) -> Folds:
    by_patient = scheme.leave_out == "patient"
    groups: dict[str, list[Slide]] = {}
    for slide in sorted(slides, key=lambda s: (s.patient, s.id)):
        groups.setdefault(slide.patient if by_patient else slide.id, []).append(slide)
    names = list(groups)
    splits: list[Split] = []
    unavailable: dict[str, str] = {}
    for position, name in enumerate(names):
        others = names[position + 1 :] + names[:position]
        if not others:
            unavailable[name] = f"no slides remain to train on without {scheme.leave_out} {name!r}"
            continue
        # of one left-out slide the next may be the same patient's: selecting on it would leak a second time
        spare = others[:1] if by_patient and len(others) >= MIN_PATIENTS_TO_SPARE_ONE else []
        splits.append(
            Split(
                fold=name,
                train=tuple(s for other in others if other not in spare for s in groups[other]),
                val=tuple(s for other in spare for s in groups[other]),
                test=tuple(groups[name]),
                shares_patients=scheme.leaks,
            )
        )
    return Folds(splits=tuple(splits), unavailable=unavailable)
