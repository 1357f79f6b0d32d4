"""The jobs of one method on one encoder and task, with everything that decides their results and ids."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from histobench.contracts.cards import Card, MethodCard
from histobench.contracts.options import options_to_json
from histobench.contracts.protocols import Mode, Options
from histobench.contracts.tasks import TASKS
from histobench.data import Slide
from histobench.images import is_upsampled
from histobench.results.records import JobSpec
from histobench.study.checkpoint_evaluation import checkpoint_options
from histobench.study.config import RunConfig, method_options
from histobench.study.grid import Task
from histobench.study.selection import Asked
from histobench.weights.converted import Checkpoint
from histobench.weights.locate import weights_hash
from histobench.weights.slots import EncoderChoice

__all__ = ["PLATFORM", "PLATFORM_REVISION", "Machine", "coarse_slides", "specify"]

PLATFORM_REVISION = "1"
"""Raised when a change of core (panels, splits, patches, the training loop) can move a score."""

PLATFORM = f"{version('histobench')} revision {PLATFORM_REVISION}"
"""The platform, as part of every job's identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What of a machine decides the last bits of a result: the device, as Fabric names it, and a job's threads."""

    device: str = "cpu"
    threads: int = 1


def specify(
    asked: Asked, machine: Machine, task: Task, *, method: MethodCard, choice: EncoderChoice | None
) -> Iterator[JobSpec | str]:
    """Yield notices and a job for every fold and seed; published weights do not depend on a seed: one job a fold."""
    config, mode = asked.config, choice.mode if choice else None
    checkpoint = asked.checkpoints.get(method.name)
    options = _options(config, task, method, checkpoint, mode)
    given = _given(checkpoint, task, method, options)
    for split, seed in itertools.product(task.splits, config.seeds[:1] if checkpoint else config.seeds):
        seen = choice.contamination(task.dataset, [slide.patient for slide in split.test]) if choice else ()
        if choice and seen:
            yield _notice_of_contamination(choice, task, seen)
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
            weights=choice.weights_hash() if choice else "",
            contamination=seen,
            **given,
            control=method.control,
            oracle=method.needs_oracle,
            versions=_versions(task, method, choice),
        )


def _options(
    config: RunConfig, task: Task, method: MethodCard, checkpoint: Checkpoint | None, mode: Mode | None
) -> Options:
    if checkpoint:
        return checkpoint_options(method, checkpoint, config)
    return method_options(method, config, dataset=task.dataset.name, kind=task.target.kind, mode=mode)


def _notice_of_contamination(choice: EncoderChoice, task: Task, seen: tuple[str, ...]) -> str:
    return (
        f"{choice.card.name!r} was pretrained on {' and '.join(seen)}, which contains slides of {task.dataset.name}: "
        "its scores may be too good, and every result is marked."
    )


def coarse_slides(choice: EncoderChoice | None, task: Task) -> list[Slide]:
    """List the slides that would be enlarged for a frozen encoder."""
    if choice is None or choice.mode != "frozen":
        return []
    slides = {slide for split in task.splits for slide in (*split.train, *split.val, *split.test)}
    return [slide for slide in slides if is_upsampled(choice.card.geometry, slide.mpp)]


def _starts_from(method: MethodCard, options: Options) -> dict[str, str]:
    """Hash the files that training starts from, because the options hold only their names."""
    named = {option: getattr(options, option) for option in method.starts_from}
    return {option: _content_hash(Path(given)) for option, given in named.items() if given and Path(given).exists()}


def _content_hash(path: Path) -> str:
    """Hash a file, or all files of a folder with their paths in it."""
    if path.is_file():
        return weights_hash(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    lines = "\n".join(f"{file.relative_to(path).as_posix()} {weights_hash(file)}" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def _ids(slides: Iterable[Slide]) -> tuple[str, ...]:
    return tuple(slide.id for slide in slides)


def _given(
    checkpoint: Checkpoint | None, task: Task, method: MethodCard, options: Options
) -> dict[str, Any]:  # Any: fields of a job of different types
    """Name the weights that a job evaluates or starts from, by content, its side targets, and its judge."""
    given: dict[str, Any] = {}
    if checkpoint is None:
        side_targets = (*method.auxiliary, *method.optional)
        given["beside"] = {name: task.beside[name] for name in side_targets if name in task.beside}
        given["starts_from"] = _starts_from(method, options)
    else:
        given |= {"checkpoint": checkpoint.identity, "checkpoint_file": str(checkpoint.path.resolve())}
    if task.judge is not None:
        given |= {"judge": task.judge.card.name, "judge_weights": task.judge.weights_hash()}
    return given


def _seen(
    config: RunConfig,
    machine: Machine,
    task: Task,
    method: MethodCard,
    choice: EncoderChoice | None,
    options: Options,
) -> dict[str, Any]:  # Any: fields of a job of different types
    """Choose the patch and its embedding; the method decides the patch where it trains the network that reads it."""
    if choice is None or choice.mode != "frozen" or TASKS[task.target.kind].is_judged:
        wanted = choice.geometry(options) if choice else None
        patch = method.patch(options) if method.patch is not None else wanted
        return {"patch": patch, "gradient_checkpointing": config.gradient_checkpointing and choice is not None}
    enlarged = config.allow_upsampling and bool(coarse_slides(choice, task))
    geometry = replace(choice.geometry(options), upsampling=enlarged)
    return {"patch": geometry, "embed_precision": config.precision_of(choice.card.precision, machine.device)}


def _versions(task: Task, method: MethodCard, choice: EncoderChoice | None) -> dict[str, str]:
    cards: dict[str, Card] = {"method": method, "dataset": task.dataset, **({"encoder": choice.card} if choice else {})}
    return {"histobench": PLATFORM, **{part: _version(card) for part, card in cards.items()}}


def _version(card: Card) -> str:
    origin = card.provenance
    plugin = f"{origin.plugin} {origin.version}" if origin else "unregistered"
    return f"{plugin} revision {card.revision}"
