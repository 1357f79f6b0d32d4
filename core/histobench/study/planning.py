"""From a study to its jobs, with a reason for everything that is left out.

Nothing is trained or embedded here, and no encoder is built; the slides' tables are read, because a damaged one must
be named before a job depends on it.
"""

from histobench.contracts.cards import MethodCard
from histobench.contracts.registry import Registry
from histobench.contracts.tasks import TASKS
from histobench.errors import ConfigError, DataError
from histobench.study.checkpoint_evaluation import asked_checkpoints, compare_targets, notice
from histobench.study.config import RunConfig
from histobench.study.grid import LeftOut, Plan, Task, read_tasks
from histobench.study.jobs import Machine, coarse_slides, specify
from histobench.study.selection import (
    ALL,
    asked_datasets,
    asked_methods,
    asked_metrics,
    refuse_unused_settings,
)
from histobench.weights.converted import Checkpoint
from histobench.weights.slots import EncoderChoice, asked_encoder, converted_encoder, judging_encoder, published_encoder

__all__ = ["plan_study"]


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
                if TASKS[task.target.kind].is_judged and not any(plan.judge):
                    plan.judge = _judge(plan, registry, config.judge)
                for method in methods:
                    for choice in _choices(plan, config, registry, method, task):
                        plan.jobs += specify(plan, config, machine, task, method=method, choice=choice)
        except (DataError, ConfigError) as error:
            if len(datasets) == 1:
                raise
            plan.left_out.append(
                LeftOut(dataset.name, "all of it", str(error))
            )  # the other datasets are still worth running
    asked = {card.name for card in methods if ALL in config.methods or card.name in config.methods}
    if not any(job.method in asked for job in plan.jobs):
        reasons = "; ".join(plan.reasons())
        raise ConfigError(f"nothing of what was asked for can be run: {reasons}.")
    if config.judge and not any(plan.judge):
        plan.notice(f"--judge {config.judge} judges nothing: no method of this study generates patches.")
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
        if TASKS[task.target.kind].is_judged and choice.card.name == plan.judge[0]:
            plan.notice(
                f"{method.name} learns through {choice.card.name!r}, which judges it as well: its scores flatter, and "
                "--judge ENCODER takes another."
            )
    return [*fitting]


def _is_fine_enough(plan: Plan, config: RunConfig, method: MethodCard, task: Task, choice: EncoderChoice) -> bool:
    """Say if slides are as fine as a frozen encoder wants, or may be enlarged; tell of those that are not."""
    coarse = coarse_slides(choice, task)
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


def _why_not(method: MethodCard, task: Task) -> str | None:
    if task.target.kind not in method.targets:
        return f"it predicts {', '.join(method.targets)} only"
    if method.needs_oracle and not task.dataset.has_oracle:
        return "the truth behind this dataset's targets is not known"
    needed = filter(TASKS[task.target.kind].may_train_with, method.auxiliary)
    if missing := [name for name in needed if name not in task.beside]:
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


def _judge(plan: Plan, registry: Registry, asked: str | None) -> tuple[str, str]:
    """Choose the encoder whose features judge generated patches, and announce it."""
    choice = judging_encoder(registry, asked)
    plan.notice(f"generated patches are judged by features of {choice.card.name!r}; --judge ENCODER takes another.")
    return choice.card.name, choice.weights_hash()
