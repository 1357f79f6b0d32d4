"""The patches that an encoder is pretrained on, and their patients."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from histobench.cache import Cache
from histobench.contracts.cards import DatasetCard
from histobench.contracts.protocols import Dataset, PatchGeometry
from histobench.data import Slide
from histobench.errors import ConfigError, DataError, did_you_mean, explain
from histobench.images.embedding import PatchStack, StoredPatches, slide_patches

__all__ = ["Choice", "Corpus", "read_corpus"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which slides are used.

    Attributes
    ----------
    slides
        Their ids; empty for all.
    exclude_patients
        Patients whose slides are not used: ``her2st:B``, or ``B``.
    """

    slides: tuple[str, ...] = ()
    exclude_patients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Patches of all chosen slides.

    Attributes
    ----------
    patches
        One stack, read from the disk when indexed.
    slides
        Dataset → slide → patient.
    """

    patches: PatchStack
    slides: dict[str, dict[str, str]]


def read_corpus(
    cards: Sequence[DatasetCard],
    choice: Choice,
    *,
    geometry: PatchGeometry,
    data_root: Path | None = None,
    tell: Callable[[str], None] = lambda _sentence: None,
) -> Corpus:
    """Cut the patch around every spot of the chosen slides; the other slides are not read.

    From the tables of the chosen slides only the positions of the spots are used, not the measured values.

    Parameters
    ----------
    tell
        Receives a sentence for every slide that is left out.

    Raises
    ------
    ConfigError
        If a named slide or patient does not exist, or no slide is left.
    """
    datasets = [(card, _built(card, data_root)) for card in cards]
    listed = [(card, dataset, slide) for card, dataset in datasets for slide in dataset.slides(card.targets[0].name)]
    chosen = {id(slide) for slide in _choose([slide for _, _, slide in listed], choice)}
    cache = Cache()
    parts: list[StoredPatches] = []
    slides: dict[str, dict[str, str]] = {}
    for card, dataset, slide in listed:
        if id(slide) not in chosen:
            continue
        try:
            table = dataset.table(slide, card.targets[0].name)
            parts.append(slide_patches(cache, dataset.image(slide), table, geometry))
        except Exception as error:
            if slide.id in choice.slides:
                raise
            tell(f"{card.name}: slide {slide.id} is left out: {explain(error)}")
            continue
        slides.setdefault(card.name, {})[slide.id] = slide.patient
    if not parts:
        raise ConfigError("no slide is left to pretrain on: name others, or exclude fewer patients.")
    return Corpus(patches=PatchStack(parts), slides=slides)


def _choose(slides: Sequence[Slide], choice: Choice) -> list[Slide]:
    ids = {slide.id for slide in slides}
    for asked in choice.slides:
        if asked not in ids:
            raise did_you_mean("slide", asked, ids)
    for asked in choice.exclude_patients:
        if not any(_is_patient(slide, asked) for slide in slides):
            # a typing error would otherwise include a patient who must be excluded
            raise did_you_mean("patient", asked, {slide.patient for slide in slides})
    return [
        slide
        for slide in slides
        if (not choice.slides or slide.id in choice.slides)
        and not any(_is_patient(slide, asked) for asked in choice.exclude_patients)
    ]


def _is_patient(slide: Slide, asked: str) -> bool:
    return asked in (slide.patient, slide.patient.partition(":")[2])


def _built(card: DatasetCard, data_root: Path | None) -> Dataset:
    try:
        return card.build(data_root)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"dataset {card.name!r} cannot be read: {explain(error)}") from error
