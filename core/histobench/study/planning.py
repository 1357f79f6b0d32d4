"""From a study to its jobs, with a reason for everything that is left out.

Nothing is trained or embedded here, and no encoder is built. The tables of the slides are read, because a damaged slide
must be reported before a job depends on it.
"""

from collections.abc import Iterator

from histobench.contracts.cards import DatasetCard, EncoderSlot, MethodCard
from histobench.contracts.registry import Registry
from histobench.contracts.tasks import TASKS
from histobench.errors import ConfigError, DataError
from histobench.results.records import JobSpec
from histobench.study.checkpoint_evaluation import compare_targets, notice
from histobench.study.config import RunConfig
from histobench.study.grid import Finding, LeftOut, Planned, Task, read_tasks, reasons
from histobench.study.jobs import Machine, coarse_slides, specify
from histobench.study.selection import ALL, Asked, resolve
from histobench.weights.converted import Checkpoint
from histobench.weights.slots import EncoderChoice, asked_encoder, converted_encoder, published_encoder

__all__ = ["grid", "plan_study"]


def plan_study(config: RunConfig, registry: Registry, machine: Machine) -> Planned:
    """Resolve a study's names, then lay out its grid; see `resolve` and `grid` for what they raise."""
    return grid(resolve(config, registry), machine)


def grid(asked: Asked, machine: Machine) -> Planned:
    """Lay out the jobs of a study, cheap controls first.

    Parameters
    ----------
    machine
        Part of every job's identity.

    Raises
    ------
    HistobenchError
        If none of the requested methods can run, or something that the user named is missing: a fold, a data folder,
        an encoder's weights. Where several datasets are requested, an unusable one is left out with the reason.
    """
    found = [finding for card in asked.datasets for finding in _plan_dataset(asked, machine, card)]
    jobs = [one for one in found if isinstance(one, JobSpec)]
    left_out = [one for one in found if isinstance(one, LeftOut)]
    notices = [one for one in found if isinstance(one, str)]
    methods = asked.config.methods
    if not any(ALL in methods or job.method in methods for job in jobs):
        raise ConfigError(f"none of the requested methods can run: {'; '.join(reasons(left_out))}.")
    if asked.config.judge and not any(one.judge for one in found if isinstance(one, Task)):
        notices.append(f"--judge {asked.config.judge} has no effect: no method of this study generates patches.")
    return Planned(
        jobs=tuple(sorted(jobs, key=lambda job: not job.control)),
        left_out=tuple(left_out),
        notices=tuple(dict.fromkeys(notices)),
        metrics=asked.metrics,
    )


def _plan_dataset(asked: Asked, machine: Machine, card: DatasetCard) -> Iterator[Finding | Task]:
    try:
        for found in read_tasks(asked, card):
            yield found
            if isinstance(found, Task):
                for method in asked.methods:
                    yield from _plan_method(asked, machine, found, method)
    except (DataError, ConfigError) as error:
        if len(asked.datasets) == 1:
            raise
        yield LeftOut(card.name, "all of it", str(error))  # the other datasets are still worth running


def _plan_method(asked: Asked, machine: Machine, task: Task, method: MethodCard) -> Iterator[Finding]:
    slot, checkpoint = method.encoder, asked.checkpoints.get(method.name)
    why_not = _why_not(method, task) if checkpoint is None else _why_no_evaluation(checkpoint, task)
    if why_not:
        # the user did not ask for a control by name, nor for a target that another method brought along
        if not method.control and (asked.config.targets or not task.kinds.intersection(method.targets)):
            yield LeftOut(task.dataset.name, f"{method.name} on {task.target.name}", why_not)
        return
    chosen: list[EncoderChoice | None] = []
    if checkpoint is not None:
        yield from _compare(asked, checkpoint, task)
        header = checkpoint.header
        chosen = [converted_encoder(asked.registry, slot, header.encoder, header.mode) if slot else None]
    elif slot is None:
        chosen = [None]
    else:
        for found in _choose_encoders(asked, task, method, slot):
            if isinstance(found, EncoderChoice):
                chosen.append(found)
            else:
                yield found
    for choice in chosen:
        yield from specify(asked, machine, task, method=method, choice=choice)


def _choose_encoders(
    asked: Asked, task: Task, method: MethodCard, slot: EncoderSlot
) -> Iterator[EncoderChoice | LeftOut | str]:
    """Yield the encoders that a method runs on, and a reason for each that does not fit."""
    choices = []
    for name in () if slot.fixed else asked.config.encoders:
        choice = asked_encoder(asked.registry, slot, name)
        if isinstance(choice, str):
            yield LeftOut(task.dataset.name, f"{method.name} on encoder {name}", choice)
        else:
            choices.append(choice)
    if slot.fixed or not asked.config.encoders:
        choices = [published_encoder(asked.registry, slot)]
    fitting = []
    for choice in choices:
        coarse = _check_magnification(asked.config, method, task, choice)
        if coarse is not None:
            yield coarse
        if not isinstance(coarse, LeftOut):
            fitting.append(choice)
    for choice in fitting:
        yield from _notices(method, task, choice)
        yield choice


def _check_magnification(
    config: RunConfig, method: MethodCard, task: Task, choice: EncoderChoice
) -> LeftOut | str | None:
    """Return ``None`` if the slides are as fine as a frozen encoder needs, else a notice that they are enlarged.

    Without permission to enlarge them, the encoder is left out.
    """
    coarse = coarse_slides(choice, task)
    if not coarse:
        return None
    found = f"{', '.join(sorted({slide.id for slide in coarse}))}: up to {max(s.mpp or 0 for s in coarse):.3g}"
    wanted = f"{choice.card.geometry.mpp:g} µm per pixel that {choice.card.name!r} was trained at"
    if config.allow_upsampling:
        return f"{task.dataset.name}: slides are enlarged to the {wanted} ({found}); every result is marked."
    what = f"{method.name} on encoder {choice.card.name}"
    why = f"slides are coarser than the {wanted} ({found}); --allow-upsampling enlarges them and marks every result"
    return LeftOut(task.dataset.name, what, why)


def _notices(method: MethodCard, task: Task, choice: EncoderChoice) -> Iterator[str]:
    if choice.stands_in_for:
        yield (
            f"{method.name} runs on {choice.card.name!r} ({choice.mode}) because the weights of its published encoder "
            f"{choice.stands_in_for!r} are missing; every result is marked."
        )
    if task.judge is not None and choice.card.name == task.judge.card.name:
        yield (
            f"{method.name} learns through {choice.card.name!r}, which judges it as well, so its scores are too good; "
            "choose another judge with --judge ENCODER."
        )


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


def _compare(asked: Asked, checkpoint: Checkpoint, task: Task) -> Iterator[str]:
    """Refuse a checkpoint whose targets differ from the observed ones; yield what readers of its scores must know."""
    dataset = task.dataset.build(asked.config.data_root)
    tested = {slide.id: slide for split in task.splits for slide in split.test}
    tables = [dataset.table(slide, task.target.read_from) for slide in tested.values()]
    lacking = compare_targets(checkpoint, task.target.kind, task.dataset.name, tables)
    yield notice(checkpoint)
    yield from lacking
