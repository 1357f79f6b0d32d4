"""From datasets to tasks: slides that can be read, cut into folds, with a reason for everything that is left out."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from histobench.contracts.cards import DatasetCard, MethodCard, MetricCard, TargetFact
from histobench.contracts.protocols import Dataset
from histobench.contracts.tasks import TASKS
from histobench.data import Auxiliary, Kind, Slide, Split
from histobench.data.splits import Folds, Scheme, make_folds
from histobench.errors import ConfigError, DataError, HistobenchError, did_you_mean, explain
from histobench.results.records import JobSpec
from histobench.study.config import RunConfig
from histobench.study.selection import asked_scheme, asked_targets
from histobench.study.side_targets import SOURCES, source_of
from histobench.weights.converted import Checkpoint

__all__ = ["LeftOut", "Plan", "Task", "read_tasks"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something of a dataset that is not in the grid, and why; ``damaged`` if a file is to blame and can be mended."""

    dataset: str
    what: str
    why: str
    damaged: bool = False


@dataclass(slots=True)
class Plan:
    """The grid.

    Attributes
    ----------
    jobs
        In the order in which they should be done: cheap controls first.
    left_out
        Slides, folds and pairs that are not in it.
    notices
        What a reader of the results must know, a sentence each.
    metrics
        The cards to score with.
    checkpoints
        Method → converted checkpoint that is evaluated instead of training it.
    judge
        Encoder that judges generated patches, and the identity of its weights; empty where nothing is generated.
    """

    jobs: list[JobSpec] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    metrics: list[MetricCard] = field(default_factory=list)
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    judge: tuple[str, str] = ("", "")

    @property
    def damaged(self) -> bool:
        """Say if the user has something to mend."""
        return any(item.damaged for item in self.left_out)

    def reasons(self) -> list[str]:
        """Say what is left out and why, a sentence for each reason."""
        by_reason: dict[tuple[str, str], list[str]] = {}
        for item in self.left_out:
            by_reason.setdefault((item.dataset, item.why), []).append(item.what)
        return [f"{dataset}: {', '.join(dict.fromkeys(things))}: {why}" for (dataset, why), things in by_reason.items()]

    def notice(self, sentence: str) -> None:
        """Keep a sentence once."""
        if sentence not in self.notices:
            self.notices.append(sentence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One dataset and target with its usable slides, cut into folds; and every kind that is asked of the dataset."""

    dataset: DatasetCard
    kinds: frozenset[Kind]
    target: TargetFact
    scheme: Scheme
    splits: tuple[Split, ...]
    edition: str
    beside: dict[Auxiliary, tuple[str, str]]


def read_tasks(plan: Plan, config: RunConfig, card: DatasetCard, methods: Sequence[MethodCard]) -> Iterator[Task]:
    """Yield the dataset's tasks; whatever a stranger's dataset raises is told as its error."""
    try:
        dataset = card.build(config.data_root)
        targets = asked_targets(config, card, methods)
        kinds = frozenset(target.kind for target in targets)
        for target in targets:
            yield replace(_task(plan, config, card, dataset, target), kinds=kinds)
    except HistobenchError:
        raise
    except Exception as error:
        raise DataError(f"dataset {card.name!r} cannot be read: {explain(error)}") from error


def _task(plan: Plan, config: RunConfig, card: DatasetCard, dataset: Dataset, target: TargetFact) -> Task:
    scheme = asked_scheme(config, card)
    slides = list(_usable_slides(plan, card, dataset, target))
    try:
        folds = make_folds(scheme, slides)
    except DataError as error:
        raise DataError(" ".join([str(error), *(f"Left out: {reason}." for reason in plan.reasons())])) from error
    for fold, why in folds.unavailable.items():
        plan.left_out.append(LeftOut(card.name, f"fold {fold} of {scheme.name}", why))
    for fold, what in folds.shrunken.items():
        plan.notice(f"{card.name}, {scheme.name}: fold {fold} is not the published one here: {what}.")
    if scheme.leaks:
        plan.notice(f"scheme {scheme.name!r} leaks: slides of one patient stand in training and test.")
    used = [slide for slide in slides if any(slide in split.train + split.val + split.test for split in folds.splits)]
    return Task(
        dataset=card,
        kinds=frozenset((target.kind,)),
        target=target,
        scheme=scheme,
        splits=_folds(config, card, folds),
        edition=_edition(dataset, used, target.read_from),
        beside=_beside(card, dataset, used, target),
    )


def _edition(dataset: Dataset, used: Iterable[Slide], target: str) -> str:
    """Hash what these slides' values of one target are read from."""
    lines = "\n".join(f"{slide.id} {slide.patient} {dataset.fingerprint(slide, target)}" for slide in used)
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _beside(
    card: DatasetCard, dataset: Dataset, used: Iterable[Slide], target: TargetFact
) -> dict[Auxiliary, tuple[str, str]]:
    """Say what a method can train with here beside the target: its source and that one's edition."""
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
        if editions[source]:  # a dataset may have labels, and none of these slides
            found[name] = (source, editions[source])
    return found


def _usable_slides(plan: Plan, card: DatasetCard, dataset: Dataset, target: TargetFact) -> Iterator[Slide]:
    """Yield the slides that can be read; one that is damaged costs only itself."""
    for slide_id, why in dataset.left_out(target.read_from).items():
        plan.left_out.append(LeftOut(card.name, f"slide {slide_id}", why))
    for slide in dataset.slides(target.read_from):
        try:
            dataset.table(slide, target.read_from)
            dataset.image(slide)
        except Exception as error:  # noqa: BLE001 -- a stranger's dataset may raise anything
            plan.left_out.append(LeftOut(card.name, f"slide {slide.id}", explain(error), damaged=True))
            continue
        for note in dataset.notes(slide, target.read_from):
            plan.notice(f"{card.name}: {note}")
        yield slide


def _folds(config: RunConfig, card: DatasetCard, folds: Folds) -> tuple[Split, ...]:
    if not config.folds:
        return folds.splits
    known = {split.fold: split for split in folds.splits}
    for fold in config.folds:
        if fold in folds.unavailable:
            raise ConfigError(f"fold {fold!r} of {card.name!r} cannot be formed: {folds.unavailable[fold]}.")
        if fold not in known:
            raise did_you_mean(f"fold of {card.name!r}", fold, known)
    return tuple(known[fold] for fold in config.folds)
