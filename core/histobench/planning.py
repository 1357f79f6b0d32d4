"""From a study to its jobs, with a reason for everything that is left out.

Nothing is trained or embedded here, and no encoder is built; the slides' tables are read, because a damaged one must
be named before a job depends on it.
"""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version

from histobench.cards import Card, DatasetCard, MethodCard, MetricCard, TargetFact
from histobench.config import RunConfig, method_options, options_to_json
from histobench.contracts import Dataset
from histobench.data import Slide, Split
from histobench.errors import ConfigError, DataError, HistobenchError, UnknownNameError, did_you_mean, told
from histobench.records import JobSpec
from histobench.registry import Registry
from histobench.selection import (
    ALL,
    asked_datasets,
    asked_methods,
    asked_metrics,
    asked_scheme,
    asked_targets,
    refuse_unused_settings,
)
from histobench.slots import EncoderChoice, asked_encoder, published_encoder
from histobench.splits import Folds, Scheme, make_folds

__all__ = ["LeftOut", "Machine", "Plan", "plan_study"]


PLATFORM_REVISION = "1"
"""Raised when a change of core (panels, splits, patches, the training loop) can move a score."""

PLATFORM = f"{version('histobench')} revision {PLATFORM_REVISION}"
"""The platform as it stands in every job's identity."""


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
    """

    jobs: list[JobSpec] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    metrics: list[MetricCard] = field(default_factory=list)

    @property
    def damaged(self) -> bool:
        """Say if the user has something to mend."""
        return any(item.damaged for item in self.left_out)

    def reasons(self) -> list[str]:
        """Say what is left out and why, a sentence for each reason."""
        by_reason: dict[tuple[str, str], list[str]] = {}
        for item in self.left_out:
            by_reason.setdefault((item.dataset, item.why), []).append(item.what)
        return [f"{dataset}: {', '.join(things)}: {why}" for (dataset, why), things in by_reason.items()]

    def notice(self, sentence: str) -> None:
        """Keep a sentence once."""
        if sentence not in self.notices:
            self.notices.append(sentence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What of a machine decides the last bits of a result: the device, as Fabric spells it, and threads of a job."""

    device: str = "cpu"
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One dataset and target with its usable slides, cut into folds."""

    dataset: DatasetCard
    target: TargetFact
    scheme: Scheme
    splits: tuple[Split, ...]
    edition: str


def plan_study(config: RunConfig, registry: Registry, machine: Machine) -> Plan:
    """Lay out a study.

    Parameters
    ----------
    machine
        Part of every job's identity.

    Raises
    ------
    HistobenchError
        For anything the user named that is not there: plugin, option, fold, data folder, weights.
    """
    plan = Plan()
    methods = asked_methods(config, registry)
    refuse_unused_settings(config, methods)
    plan.metrics = asked_metrics(config, registry)
    datasets = asked_datasets(config, registry)
    for dataset in datasets:
        try:
            for task in _tasks(plan, config, dataset):
                for method in methods:
                    for choice in _choices(plan, config, registry, method, task):
                        plan.jobs += _jobs(config, machine, task, method, choice)
        except (DataError, ConfigError, UnknownNameError) as error:
            if len(datasets) == 1:
                raise
            plan.left_out.append(
                LeftOut(dataset.name, "all of it", str(error))
            )  # the other datasets are still worth running
    asked = {card.name for card in methods if ALL in config.methods or card.name in config.methods}
    if not any(job.method in asked for job in plan.jobs):
        reasons = "; ".join(plan.reasons())
        raise ConfigError(f"nothing of what was asked for can be run: {reasons}.")
    plan.jobs.sort(key=lambda job: not job.control)
    return plan


def _tasks(plan: Plan, config: RunConfig, card: DatasetCard) -> Iterator[_Task]:
    """Yield the dataset's tasks; whatever a stranger's dataset raises is told as its error."""
    try:
        dataset = card.build(config.data_root)
        for target in asked_targets(config, card):
            yield _task(plan, config, card, dataset, target)
    except HistobenchError:
        raise
    except Exception as error:
        raise DataError(f"dataset {card.name!r} cannot be read: {told(error)}") from error


def _task(plan: Plan, config: RunConfig, card: DatasetCard, dataset: Dataset, target: TargetFact) -> _Task:
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
    fingerprints = "\n".join(f"{slide.id} {slide.patient} {dataset.fingerprint(slide, target.name)}" for slide in used)
    edition = hashlib.sha256(fingerprints.encode()).hexdigest()[:16]
    return _Task(dataset=card, target=target, scheme=scheme, splits=_folds(config, card, folds), edition=edition)


def _usable_slides(plan: Plan, card: DatasetCard, dataset: Dataset, target: TargetFact) -> Iterator[Slide]:
    """Yield the slides that can be read; one that is damaged costs only itself."""
    for slide_id, why in dataset.left_out(target.name).items():
        plan.left_out.append(LeftOut(card.name, f"slide {slide_id}", why))
    for slide in dataset.slides(target.name):
        try:
            dataset.table(slide, target.name)
            dataset.image(slide)
        except Exception as error:  # noqa: BLE001 -- a stranger's dataset may raise anything
            plan.left_out.append(LeftOut(card.name, f"slide {slide.id}", told(error), damaged=True))
            continue
        for note in dataset.notes(slide, target.name):
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


def _choices(
    plan: Plan, config: RunConfig, registry: Registry, method: MethodCard, task: _Task
) -> list[EncoderChoice | None]:
    """Choose the encoders a method runs on here; none, with the reason on the plan, if it does not fit."""
    why_not = _why_not(method, task)
    if why_not:
        if not method.control:  # nobody asked for a control by name
            plan.left_out.append(LeftOut(task.dataset.name, f"{method.name} on {task.target.name}", why_not))
        return []
    slot = method.encoder
    if slot is None:
        return [None]
    choices: list[EncoderChoice] = []
    if slot.fixed or not config.encoders:
        choices.append(published_encoder(registry, slot))
    else:
        for asked in config.encoders:
            choice = asked_encoder(registry, slot, asked)
            if isinstance(choice, str):
                plan.left_out.append(LeftOut(task.dataset.name, f"{method.name} on encoder {asked}", choice))
            else:
                choices.append(choice)
    for choice in choices:
        _announce(plan, method, choice)
    return [*choices]


def _why_not(method: MethodCard, task: _Task) -> str | None:
    if task.target.kind not in method.targets:
        return f"it predicts {', '.join(method.targets)} only"
    if method.needs_oracle and not task.dataset.has_oracle:
        return "the truth behind this dataset's targets is not known"
    if method.auxiliary and method.auxiliary not in {target.kind for target in task.dataset.targets}:
        return f"it trains with {method.auxiliary}, which this dataset does not have"
    return None


def _announce(plan: Plan, method: MethodCard, choice: EncoderChoice) -> None:
    if choice.stands_in_for:
        plan.notice(
            f"{method.name} runs on {choice.card.name!r} ({choice.mode}): the weights of its published encoder "
            f"{choice.stands_in_for!r} are not here; every result says so."
        )


def _jobs(
    config: RunConfig, machine: Machine, task: _Task, method: MethodCard, choice: EncoderChoice | None
) -> Iterator[JobSpec]:
    """Yield a job for every fold and seed."""
    mode = choice.mode if choice else None
    options = method_options(method, config, dataset=task.dataset.name, mode=mode)
    cards: dict[str, Card] = {"method": method, "dataset": task.dataset, **({"encoder": choice.card} if choice else {})}
    for split, seed in itertools.product(task.splits, config.seeds):
        slides = (*split.train, *split.val, *split.test)
        yield JobSpec(
            method=method.name,
            encoder=choice.card.name if choice else None,
            mode=mode,
            stands_in_for=choice.stands_in_for if choice else None,
            dataset=task.dataset.name,
            target=task.target.name,
            kind=task.target.kind,
            scheme=task.scheme.name,
            leaks=task.scheme.leaks,
            fold=split.fold,
            train=tuple(slide.id for slide in split.train),
            val=tuple(slide.id for slide in split.val),
            test=tuple(slide.id for slide in split.test),
            patients={slide.id: slide.patient for slide in slides},
            seed=seed,
            patch=choice.geometry(options) if choice else None,
            options=options_to_json(method, options),
            precision=config.precision,
            device=machine.device,
            threads=machine.threads,
            edition=task.edition,
            weights=choice.weights_hash() if choice else "",
            control=method.control,
            oracle=method.needs_oracle,
            versions={"histobench": PLATFORM, **{part: _version(card) for part, card in cards.items()}},
        )


def _version(card: Card) -> str:
    origin = card.provenance
    plugin = f"{origin.plugin} {origin.version}" if origin else "unregistered"
    return f"{plugin} revision {card.revision}"
