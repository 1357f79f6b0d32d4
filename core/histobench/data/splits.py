"""Folds of cross-validation.

A `Scheme` is part of a dataset's card. It lists published folds by slide, or leaves out one patient or one slide at a
time. A fold that cannot be formed from the available slides is reported with its reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from histobench.data.slides import Slide, Split
from histobench.errors import DataError

__all__ = ["Folds", "PublishedFold", "Scheme", "leave_one_patient_out", "leave_one_slide_out", "make_folds"]

MIN_PATIENTS_TO_SPARE_ONE = 3
"""Training patients needed to use one of them for validation; with fewer, the last epoch is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFold:
    """A fold as published: the slide ids of each side."""

    name: str
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How a dataset is split into folds.

    Attributes
    ----------
    leave_out
        The unit that each fold tests on; ``None`` if ``folds`` are listed.
    leaks
        True if patients are on both sides; results with such a scheme are marked everywhere.
    source
        Its publication.
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
"""The scheme of HisToGene and later methods; for comparison only, and marked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """The folds that can be formed.

    Attributes
    ----------
    unavailable
        Fold that cannot be formed → why.
    shrunken
        Published fold with missing slides → what remains of it.
    """

    splits: tuple[Split, ...]
    unavailable: dict[str, str]
    shrunken: dict[str, str] = field(default_factory=dict)


def make_folds(scheme: Scheme, slides: Sequence[Slide]) -> Folds:
    """Split slides into folds.

    Parameters
    ----------
    slides
        The available slides; published folds are restricted to them.

    Raises
    ------
    DataError
        If no fold can be formed; the message gives the reason for each fold.
    LeakageError
        If a published fold has a patient on both sides and the scheme is not marked as leaking.
    """
    folds = _published(scheme, slides) if scheme.folds else _leave_one_out(scheme, slides)
    if not folds.splits:
        reasons = "; ".join(f"fold {name}: {why}" for name, why in folds.unavailable.items())
        have = ", ".join(s.id for s in slides) or "none"
        raise DataError(
            f"scheme {scheme.name!r} forms no fold from the slides here ({have}){': ' if reasons else ''}{reasons}."
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
        # not for slides: the next one may be of the same patient, and selection would leak again
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
