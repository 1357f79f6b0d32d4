"""From a study to its jobs, with a reason for everything that is left out.

Nothing is trained or embedded here, and no encoder is built; the slides' tables are read, because a damaged one must
be named before a job depends on it.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from histobench.cards import Card, MethodCard
from histobench.checkpoints.evaluation import asked_checkpoints, checkpoint_options, compare_targets, notice
from histobench.checkpoints.files import Checkpoint
from histobench.config import RunConfig, method_options, options_to_json
from histobench.contracts import Options
from histobench.data import Auxiliary, Slide, Split
from histobench.errors import ConfigError, DataError, UnknownNameError
from histobench.images import is_upsampled
from histobench.records import JobSpec
from histobench.registry import Registry
from histobench.selection import (
    ALL,
    asked_datasets,
    asked_methods,
    asked_metrics,
    refuse_unused_settings,
)
from histobench.slots import EncoderChoice, asked_encoder, converted_encoder, judging_encoder, published_encoder
from histobench.tasks import LeftOut, Plan, Task, read_tasks

__all__ = ["Machine", "plan_study"]


PLATFORM_REVISION = "1"
"""Raised when a change of core (panels, splits, patches, the training loop) can move a score."""

PLATFORM = f"{version('histobench')} revision {PLATFORM_REVISION}"
"""The platform as it stands in every job's identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What of a machine decides the last bits of a result: the device, as Fabric spells it, and threads of a job."""

    device: str = "cpu"
    threads: int = 1


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
    plan.checkpoints = asked_checkpoints(config, methods)
    datasets = asked_datasets(config, registry)
    for dataset in datasets:
        try:
            for task in read_tasks(plan, config, dataset, methods):
                if task.target.kind == "generate" and not any(plan.judge):
                    plan.judge = _judge(plan, registry, config.judge)
                for method in methods:
                    for choice in _choices(plan, config, registry, method, task):
                        plan.jobs += _jobs(plan, config, machine, task, method=method, choice=choice)
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


def _choices(
    plan: Plan, config: RunConfig, registry: Registry, method: MethodCard, task: Task
) -> list[EncoderChoice | None]:
    """Choose the encoders a method runs on here; none, with the reason on the plan, if it does not fit."""
    checkpoint = plan.checkpoints.get(method.name)
    why_not = _why_not(method, task) if checkpoint is None else _why_no_evaluation(checkpoint, task)
    if why_not:
        # nobody asked for a control by name, nor for a target that another method brought along
        if not method.control and (config.targets or not task.kinds.intersection(method.targets)):
            plan.left_out.append(LeftOut(task.dataset.name, f"{method.name} on {task.target.name}", why_not))
        return []
    slot = method.encoder
    if checkpoint is not None:
        _compare(plan, config, checkpoint, task)
        header = checkpoint.header
        return [None if slot is None else converted_encoder(registry, slot, header.encoder, header.mode)]
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
    fitting = [choice for choice in choices if _is_fine_enough(plan, config, method, task, choice)]
    for choice in fitting:
        _announce(plan, method, choice)
        if task.target.kind == "generate" and choice.card.name == plan.judge[0]:
            plan.notice(
                f"{method.name} learns through {choice.card.name!r}, which judges it as well: its scores flatter, and "
                "--judge ENCODER takes another."
            )
    return [*fitting]


def _is_fine_enough(plan: Plan, config: RunConfig, method: MethodCard, task: Task, choice: EncoderChoice) -> bool:
    """Say if slides are as fine as a frozen encoder wants, or may be enlarged; tell of those that are not."""
    coarse = _coarse(choice, task)
    if not coarse:
        return True
    found = f"{', '.join(sorted({slide.id for slide in coarse}))}: up to {max(s.mpp or 0 for s in coarse):.3g}"
    wanted = f"{choice.card.geometry.mpp:g} µm per pixel that {choice.card.name!r} was trained at"
    if config.allow_upsampling:
        plan.notice(f"{task.dataset.name}: slides are enlarged to the {wanted} ({found}); every result says so.")
        return True
    what = f"{method.name} on encoder {choice.card.name}"
    why = f"slides are coarser than the {wanted} ({found}); --allow-upsampling enlarges them and marks every result"
    plan.left_out.append(LeftOut(task.dataset.name, what, why))
    return False


def _coarse(choice: EncoderChoice | None, task: Task) -> list[Slide]:
    """List the slides that a frozen encoder would see enlarged."""
    if choice is None or choice.mode != "frozen":
        return []
    slides = {slide for split in task.splits for slide in (*split.train, *split.val, *split.test)}
    return [slide for slide in slides if is_upsampled(choice.card.geometry, slide.mpp)]


def _why_not(method: MethodCard, task: Task) -> str | None:
    if task.target.kind not in method.targets:
        return f"it predicts {', '.join(method.targets)} only"
    if method.needs_oracle and not task.dataset.has_oracle:
        return "the truth behind this dataset's targets is not known"
    missing = [name for name in method.auxiliary if name not in task.beside and name != task.target.kind]
    if missing and not (missing == ["counts"] and task.target.kind != "gene_expression"):
        return f"it trains with {', '.join(missing)}, which this dataset does not have"
    return None


def _why_no_evaluation(checkpoint: Checkpoint, task: Task) -> str | None:
    predicts = checkpoint.header.kind
    return None if predicts == task.target.kind else f"its weights predict {predicts}"


def _compare(plan: Plan, config: RunConfig, checkpoint: Checkpoint, task: Task) -> None:
    """Refuse a checkpoint of other targets than are observed, and announce its evaluation."""
    dataset = task.dataset.build(config.data_root)
    tested = {slide.id: slide for split in task.splits for slide in split.test}
    tables = [dataset.table(slide, task.target.read_from) for slide in tested.values()]
    for sentence in (notice(checkpoint), *compare_targets(checkpoint, task.target.kind, task.dataset.name, tables)):
        plan.notice(sentence)


def _announce(plan: Plan, method: MethodCard, choice: EncoderChoice) -> None:
    if choice.stands_in_for:
        plan.notice(
            f"{method.name} runs on {choice.card.name!r} ({choice.mode}): the weights of its published encoder "
            f"{choice.stands_in_for!r} are not here; every result says so."
        )


def _jobs(
    plan: Plan, config: RunConfig, machine: Machine, task: Task, *, method: MethodCard, choice: EncoderChoice | None
) -> Iterator[JobSpec]:
    """Yield a job for every fold and seed; published weights, which no seed decides, are evaluated once a fold."""
    mode = choice.mode if choice else None
    checkpoint = plan.checkpoints.get(method.name)
    options = (
        checkpoint_options(method, checkpoint, config)
        if checkpoint
        else method_options(method, config, dataset=task.dataset.name, kind=task.target.kind, mode=mode)
    )
    for split, seed in itertools.product(task.splits, config.seeds[:1] if checkpoint else config.seeds):
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
            train=_ids(split.train),
            val=_ids(split.val),
            test=_ids(split.test),
            patients={slide.id: slide.patient for slide in (*split.train, *split.val, *split.test)},
            seed=seed,
            **_seen(config, machine, task, method, choice, options),
            options=options_to_json(method, options),
            precision=config.precision,
            device=machine.device,
            threads=machine.threads,
            edition=task.edition,
            **_pretrained(plan, task, choice, split),
            beside={} if checkpoint else _beside(method, task),
            **_evaluated(plan, task, checkpoint),
            control=method.control,
            oracle=method.needs_oracle,
            versions=_versions(task, method, choice),
        )


def _pretrained(
    plan: Plan, task: Task, choice: EncoderChoice | None, split: Split
) -> dict[str, Any]:  # Any: fields of a job of different types
    """Say which weights an encoder has, and what of the test they have seen; announce the latter."""
    if choice is None:
        return {}
    seen = choice.contamination(task.dataset, [slide.patient for slide in split.test])
    if seen:
        plan.notice(
            f"{choice.card.name!r} was pretrained on {' and '.join(seen)}, where slides of {task.dataset.name} come "
            "from: its scores may be too good, and every result says so."
        )
    return {"weights": choice.weights_hash(), "contamination": seen}


def _judge(plan: Plan, registry: Registry, asked: str | None) -> tuple[str, str]:
    """Choose the encoder whose features judge generated patches, and announce it."""
    choice = judging_encoder(registry, asked)
    plan.notice(f"generated patches are judged by features of {choice.card.name!r}; --judge ENCODER takes another.")
    return choice.card.name, choice.weights_hash()


def _beside(method: MethodCard, task: Task) -> dict[Auxiliary, tuple[str, str]]:
    return {name: task.beside[name] for name in (*method.auxiliary, *method.optional) if name in task.beside}


def _ids(slides: Iterable[Slide]) -> tuple[str, ...]:
    return tuple(slide.id for slide in slides)


def _evaluated(
    plan: Plan, task: Task, checkpoint: Checkpoint | None
) -> dict[str, Any]:  # Any: fields of a job of different types
    """Say which published weights a job evaluates and where they lie, and which encoder judges what is generated."""
    published = {}
    if checkpoint is not None:
        published = {"checkpoint": checkpoint.identity, "checkpoint_file": str(checkpoint.path.resolve())}
    judge = dict(zip(("judge", "judge_weights"), plan.judge, strict=True)) if task.target.kind == "generate" else {}
    return {**published, **judge}


def _seen(
    config: RunConfig,
    machine: Machine,
    task: Task,
    method: MethodCard,
    choice: EncoderChoice | None,
    options: Options,
) -> dict[str, Any]:  # Any: fields of a job of different types
    """Decide the patch: a method's own wish counts where it trains what looks at the patch; and how it is embedded."""
    if choice is None or choice.mode != "frozen" or task.target.kind == "generate":
        wanted = choice.geometry(options) if choice else None
        patch = method.patch(options) if method.patch is not None else wanted
        return {"patch": patch, "gradient_checkpointing": config.gradient_checkpointing and choice is not None}
    enlarged = config.allow_upsampling and bool(_coarse(choice, task))
    geometry = replace(choice.geometry(options), upsampling=enlarged)
    return {"patch": geometry, "embed_precision": config.precision_of(choice.card.precision, machine.device)}


def _versions(task: Task, method: MethodCard, choice: EncoderChoice | None) -> dict[str, str]:
    cards: dict[str, Card] = {"method": method, "dataset": task.dataset, **({"encoder": choice.card} if choice else {})}
    return {"histobench": PLATFORM, **{part: _version(card) for part, card in cards.items()}}


def _version(card: Card) -> str:
    origin = card.provenance
    plugin = f"{origin.plugin} {origin.version}" if origin else "unregistered"
    return f"{plugin} revision {card.revision}"
