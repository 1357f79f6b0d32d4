"""Evaluate a converted checkpoint instead of training: its header for planning, its file for the job."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from histobench.contracts.cards import MethodCard
from histobench.contracts.options import options_from_json
from histobench.contracts.protocols import FitContext, Method, Options
from histobench.contracts.tasks import TASKS
from histobench.data import Float, Kind, Prediction, SpotTable
from histobench.data.panels import Panel
from histobench.errors import ConfigError, DataError
from histobench.results.records import JobSpec
from histobench.study.config import RunConfig, settings_of
from histobench.weights.converted import Checkpoint, open_checkpoint, unpacked

__all__ = [
    "WEIGHTS",
    "asked_checkpoints",
    "checkpoint_genes",
    "checkpoint_options",
    "checkpoint_panel",
    "compare_targets",
    "in_order",
    "load_checkpoint",
    "notice",
]

WEIGHTS = "weights"
"""The name in ``--set METHOD.weights=FILE``, which is not an option of the method."""

_NAMED = 3


def asked_checkpoints(config: RunConfig, methods: Sequence[MethodCard]) -> dict[str, Checkpoint]:
    """Open the converted checkpoints of a study: method → checkpoint.

    Raises
    ------
    HistobenchError
        If a file is missing, damaged, or belongs to another method.
    """
    found: dict[str, Checkpoint] = {}
    for card in methods:
        if f"{card.name}.{WEIGHTS}" not in config.settings:
            continue
        file = config.settings[f"{card.name}.{WEIGHTS}"]
        if not isinstance(file, str) or not file:  # an unset shell variable must not start a training
            raise ConfigError(f"{card.name}.{WEIGHTS} must name a file of converted weights, got {file!r}.")
        checkpoint = open_checkpoint(Path(file))
        if checkpoint.header.method != card.name:
            raise ConfigError(f"{file!r} holds weights of {checkpoint.header.method!r}, not of {card.name!r}.")
        found[card.name] = checkpoint
    return found


def checkpoint_options(card: MethodCard, checkpoint: Checkpoint, config: RunConfig) -> Options:
    """Return the options that the checkpoint's method was built with, overridden by ``--set``.

    Raises
    ------
    ConfigError
        If an option or its value is not valid.
    """
    return options_from_json(card, {**checkpoint.header.options, **settings_of(card, config)})


def notice(checkpoint: Checkpoint) -> str:
    """Return what a reader of its scores must know."""
    header = checkpoint.header
    return (
        f"{header.method} is evaluated with published weights ({header.source}, converted file {checkpoint.identity}), "
        f"not trained on these folds: it may have seen these slides."
    )


def compare_targets(checkpoint: Checkpoint, kind: Kind, dataset: str, tables: Sequence[SpotTable]) -> list[str]:
    """Compare a checkpoint's targets with those observed; return a sentence for each slide that lacks genes.

    Raises
    ------
    DataError
        If the dataset lacks a target of the checkpoint (or half of the genes that it only reads), or has other cell
        types or labels.
    """
    names = checkpoint.header.targets
    observed = {table.slide.id: _columns(table, kind) for table in tables}
    everything = set().union(*observed.values())
    absent = [name for name in names if name not in everything]
    more = [] if TASKS[kind].from_counts else sorted(everything.difference(names))
    if TASKS[kind].only_reads_genes and 2 * len(absent) <= len(names):
        lacking = f"{dataset} lacks {len(absent)} of the {len(names)} genes that {checkpoint.header.method} reads"
        return [f"{lacking}, such as {absent[0]!r}; they are read as not expressed."] if absent else []
    if absent or more:
        what = f"{dataset} does not have {_few(absent)}" if absent else f"it does not predict {_few(more)} of {dataset}"
        raise DataError(f"{str(checkpoint.path)!r} predicts {len(names)} targets that are not those observed: {what}.")
    notes = []
    for slide, columns in observed.items():
        n_lacking = sum(name not in columns for name in names)
        if n_lacking:
            notes.append(
                f"{dataset}: slide {slide} lacks {n_lacking} of the {len(names)} genes; they count zero there."
            )
    return notes


def checkpoint_panel(spec: JobSpec, *, unit: str) -> Panel | None:
    """Return the panel of genes that the job's checkpoint predicts.

    ``None`` without a checkpoint, if the dataset fixes the targets, or if the checkpoint only reads the genes: the
    panel is then that of the controls, so that they are ranked together.
    """
    if not spec.checkpoint or not TASKS[spec.kind].from_counts or TASKS[spec.kind].only_reads_genes:
        return None
    return Panel(kind=spec.kind, names=_opened(spec).header.targets, unit=unit)


def checkpoint_genes(spec: JobSpec) -> tuple[str, ...]:
    """Return the genes that the job's checkpoint reads; empty without a checkpoint."""
    return _opened(spec).header.targets if spec.checkpoint and TASKS[spec.kind].from_counts else ()


def load_checkpoint(method: Method, spec: JobSpec, context: FitContext) -> str:
    """Load the job's checkpoint into a new method, and return what a reader of its scores must know.

    Raises
    ------
    DataError
        If the file has changed since planning.
    """
    checkpoint = _opened(spec)
    with unpacked(checkpoint.header, checkpoint.path) as folder:
        method.load(folder, context)
    return notice(checkpoint)


def in_order(predicted: Prediction, names: tuple[str, ...]) -> Prediction:
    """Bring the columns into the order of the dataset, by name, and drop predictions of side targets."""
    if set(predicted.names) != set(names) or len(predicted.names) != len(names):
        return predicted  # the job refuses it, and reports the difference
    columns = [predicted.names.index(name) for name in names]
    parameters: Mapping[str, Float] = {name: values[:, columns] for name, values in predicted.parameters.items()}
    return replace(predicted, names=names, values=predicted.values[:, columns], parameters=parameters, beside={})


def _opened(spec: JobSpec) -> Checkpoint:
    checkpoint = open_checkpoint(Path(spec.checkpoint_file))
    if checkpoint.identity != spec.checkpoint:
        raise DataError(f"{spec.checkpoint_file!r} has changed since the study was planned; run it again.")
    return checkpoint


def _columns(table: SpotTable, kind: Kind) -> set[str]:
    part = table.counts if TASKS[kind].from_counts else table.targets
    if part is None:
        raise DataError(f"slide {table.slide.id!r} has no {kind} to read.")
    return set(part.names)


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more
