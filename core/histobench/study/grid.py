"""From datasets to tasks: slides that can be read, cut into folds, with a reason for everything that is left out."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from histobench.contracts.cards import DatasetCard, MetricCard, TargetFact
from histobench.contracts.protocols import Dataset
from histobench.contracts.tasks import TASKS
from histobench.data import Auxiliary, Kind, Slide, Split
from histobench.data.splits import Folds, Scheme, make_folds
from histobench.errors import ConfigError, DataError, HistobenchError, did_you_mean, explain
from histobench.results.records import JobSpec
from histobench.study.config import RunConfig
from histobench.study.selection import Asked, asked_scheme, asked_targets
from histobench.study.side_targets import SOURCES, source_of
from histobench.weights.slots import EncoderChoice, judging_encoder

__all__ = ["Finding", "LeftOut", "Planned", "Task", "read_tasks", "reasons"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A part of a dataset that is not in the grid, and why; ``damaged`` if the user can repair a file."""

    dataset: str
    what: str
    why: str
    damaged: bool = False


Finding = JobSpec | LeftOut | str
"""What planning finds, one after another: a job, something that is left out, or a notice (a sentence)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The grid.

    Attributes
    ----------
    jobs
        In the order in which they should run: cheap controls first.
    left_out
        Slides, folds and pairs of method and encoder that are not in the grid.
    notices
        What a reader of the results must know, a sentence each.
    metrics
        The cards to score with.
    """

    jobs: tuple[JobSpec, ...]
    left_out: tuple[LeftOut, ...]
    notices: tuple[str, ...]
    metrics: tuple[MetricCard, ...]

    @property
    def damaged(self) -> tuple[LeftOut, ...]:
        """What is left out because of files that the user can repair."""
        return tuple(item for item in self.left_out if item.damaged)

    def reasons(self) -> list[str]:
        """Describe what is left out and why, one sentence for each reason."""
        return reasons(self.left_out)


def reasons(left_out: Iterable[LeftOut]) -> list[str]:
    """Describe what is left out and why, one sentence for each reason."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for item in left_out:
        by_reason.setdefault((item.dataset, item.why), []).append(item.what)
    return [f"{dataset}: {', '.join(dict.fromkeys(things))}: {why}" for (dataset, why), things in by_reason.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One dataset and target, with its usable slides cut into folds.

    Attributes
    ----------
    kinds
        Every kind of target that is requested of the dataset.
    edition
        Hash of the slides' values of the target.
    beside
        Side target → the target that it is read from, and its edition.
    judge
        Encoder that judges generated patches; ``None`` where no patches are generated.
    """

    dataset: DatasetCard
    kinds: frozenset[Kind]
    target: TargetFact
    scheme: Scheme
    splits: tuple[Split, ...]
    edition: str
    beside: dict[Auxiliary, tuple[str, str]]
    judge: EncoderChoice | None


def read_tasks(asked: Asked, card: DatasetCard) -> Iterator[Task | LeftOut | str]:
    """Yield the dataset's tasks, what is left out of each, and notices.

    Raises
    ------
    HistobenchError
        If no fold can be formed or a requested one does not exist; any exception of a third-party dataset becomes a
        `DataError`.
    """
    try:
        dataset = card.build(asked.config.data_root)
        targets = asked_targets(asked.config, card, asked.methods)
        kinds = frozenset(target.kind for target in targets)
        for target in targets:
            yield from _read_task(asked, card, dataset, target, kinds)
    except HistobenchError:
        raise
    except Exception as error:
        raise DataError(f"dataset {card.name!r} cannot be read: {explain(error)}") from error


def _read_task(
    asked: Asked, card: DatasetCard, dataset: Dataset, target: TargetFact, kinds: frozenset[Kind]
) -> Iterator[Task | LeftOut | str]:
    scheme = asked_scheme(asked.config, card)
    slides, left_out = [], []
    for found in _read_slides(card, dataset, target):
        if isinstance(found, Slide):
            slides.append(found)
            continue
        if isinstance(found, LeftOut):
            left_out.append(found)
        yield found
    try:
        folds = make_folds(scheme, slides)
    except DataError as error:
        raise DataError(" ".join([str(error), *(f"Left out: {reason}." for reason in reasons(left_out))])) from error
    yield from _describe_folds(card, scheme, folds)
    used = [slide for slide in slides if any(slide in split.train + split.val + split.test for split in folds.splits)]
    splits = _asked_splits(asked.config, card, folds)
    edition, beside = _edition(dataset, used, target.read_from), _beside(card, dataset, used, target)
    judge = judging_encoder(asked.registry, asked.config.judge) if TASKS[target.kind].is_judged else None
    if judge is not None:
        yield f"generated patches are judged by features of {judge.card.name!r}; choose another with --judge ENCODER."
    yield Task(
        dataset=card,
        kinds=kinds,
        target=target,
        scheme=scheme,
        splits=splits,
        edition=edition,
        beside=beside,
        judge=judge,
    )


def _describe_folds(card: DatasetCard, scheme: Scheme, folds: Folds) -> Iterator[LeftOut | str]:
    for fold, why in folds.unavailable.items():
        yield LeftOut(card.name, f"fold {fold} of {scheme.name}", why)
    for fold, what in folds.shrunken.items():
        yield f"{card.name}, {scheme.name}: fold {fold} is not the published one here: {what}."
    if scheme.leaks:
        yield f"scheme {scheme.name!r} leaks: it has slides of one patient in training and test."


def _edition(dataset: Dataset, used: Iterable[Slide], target: str) -> str:
    """Hash the files that the slides' values of one target are read from."""
    lines = "\n".join(f"{slide.id} {slide.patient} {dataset.fingerprint(slide, target)}" for slide in used)
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _beside(
    card: DatasetCard, dataset: Dataset, used: Iterable[Slide], target: TargetFact
) -> dict[Auxiliary, tuple[str, str]]:
    """Find the side targets that a method can train with here: the target that each is read from, and its edition."""
    editions: dict[str, str] = {}
    found: dict[Auxiliary, tuple[str, str]] = {}
    for name in SOURCES:
        source = source_of(name, card)
        if source is None or not TASKS[target.kind].may_train_with(name):
            continue
        if source not in editions:
            having = {slide.id for slide in dataset.slides(source)}
            shown = [slide for slide in used if slide.id in having]
            editions[source] = _edition(dataset, shown, source) if shown else ""
        if editions[source]:  # a dataset may have labels, but not for these slides
            found[name] = (source, editions[source])
    return found


def _read_slides(card: DatasetCard, dataset: Dataset, target: TargetFact) -> Iterator[Slide | LeftOut | str]:
    """Yield the slides that can be read, the others with the reason, and notes; a damaged slide does not stop this."""
    for slide_id, why in dataset.left_out(target.read_from).items():
        yield LeftOut(card.name, f"slide {slide_id}", why)
    for slide in dataset.slides(target.read_from):
        try:
            dataset.table(slide, target.read_from)
            dataset.image(slide)
        except Exception as error:  # noqa: BLE001 -- a third-party dataset may raise anything
            yield LeftOut(card.name, f"slide {slide.id}", explain(error), damaged=True)
            continue
        for note in dataset.notes(slide, target.read_from):
            yield f"{card.name}: {note}"
        yield slide


def _asked_splits(config: RunConfig, card: DatasetCard, folds: Folds) -> tuple[Split, ...]:
    if not config.folds:
        return folds.splits
    known = {split.fold: split for split in folds.splits}
    for fold in config.folds:
        if fold in folds.unavailable:
            raise ConfigError(f"fold {fold!r} of {card.name!r} cannot be formed: {folds.unavailable[fold]}.")
        if fold not in known:
            raise did_you_mean(f"fold of {card.name!r}", fold, known)
    return tuple(known[fold] for fold in config.folds)
