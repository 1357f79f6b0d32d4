"""From slides to the samples a method is given: tables, panel, patches or embeddings, one slide after another."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from histobench.cache import Cache
from histobench.contracts.encoder_card import Precision
from histobench.contracts.protocols import Dataset, Encoder, FitContext, PatchGeometry, Report
from histobench.contracts.registry import Registry
from histobench.contracts.tasks import TASKS, find_target
from histobench.data import (
    Counts,
    Float,
    Hidden,
    LabelledSamples,
    Patches,
    Samples,
    Slide,
    SpotTable,
    Targets,
    TrainingFacts,
)
from histobench.data.held_out_counts import Input, hide
from histobench.data.panels import Panel, fit_panel, gene_columns, genes_seen
from histobench.errors import DataError
from histobench.images.embedding import Compute, PatchStack, slide_embeddings, slide_patches
from histobench.results.records import JobSpec
from histobench.study.checkpoint_evaluation import checkpoint_genes, checkpoint_panel
from histobench.study.side_targets import Companion, fit_companions, read_regions, source_of

__all__ = ["Assembler", "fit_context", "join", "open_assembler", "open_dataset", "open_encoder", "registry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembler:
    """Makes samples of slides for one job.

    Attributes
    ----------
    panel, companions
        What is predicted, and what the method trains with beside it, by name.
    genes
        Columns of the counts that methods are given where the task gives them any: every gene seen in training.
    training
        What the training spots say of each target.
    encoder, encoder_name
        The built encoder; ``None`` if the method takes none.
    patch
        The patches that the samples carry for a network in training; ``None`` if they carry none.
    shows_oracle
        True only for the control that is shown the truth.
    device, embed_precision
        Where a frozen encoder runs, and in which precision.
    annotation
        The dataset's target that says what each spot was annotated as; empty where it has none, or predicts it.
    """

    dataset: Dataset
    target: str
    panel: Panel
    cache: Cache
    training: TrainingFacts
    companions: Mapping[str, Companion] = field(default_factory=dict)
    encoder: Encoder | None = None
    encoder_name: str = ""
    patch: PatchGeometry | None = None
    shows_oracle: bool = False
    device: str = "cpu"
    embed_precision: Precision = "fp32"
    annotation: str = ""
    genes: tuple[str, ...] = ()
    # of the last test slide, which is asked for it after its samples: to split the molecules again takes as long
    _hidden: dict[str, Hidden] = field(default_factory=dict, init=False, repr=False, compare=False)

    def slides(self) -> dict[str, Slide]:
        """Give the dataset's slides by their ids."""
        return {slide.id: slide for slide in self.dataset.slides(self.target)}

    def labelled(self, slides: Sequence[Slide]) -> LabelledSamples:
        """Make training or validation samples."""
        return join([self._slide(slide) for slide in slides])

    def unlabelled(self, slide: Slide) -> tuple[Samples, LabelledSamples]:
        """Make one test slide's samples, and apart from them the same with all that was observed.

        Of a slide whose patches are to be drawn none is shown; of one that is to be enhanced the molecules held out
        are what was observed.
        """
        table = self.dataset.table(slide, self.target)
        given = self._input(table)
        labelled = self._samples(slide, table, given=given)
        columns = {column.name: getattr(labelled, column.name) for column in fields(Samples)}
        if self.panel.kind == "generate":
            columns["patches"] = None
        if given is not None:
            labelled = replace(labelled, targets=given.held_out)
            self._hidden.clear()
            self._hidden[slide.id] = given.hidden
        return Samples(**columns), labelled

    def hidden(self, slide: Slide) -> Hidden | None:
        """Give what is kept from a method that enhances a slide; ``None`` for any other task."""
        if self.panel.kind != "enhance":
            return None
        if slide.id not in self._hidden:
            return hide(self.dataset.table(slide, self.target), self.panel, self.genes).hidden
        return self._hidden[slide.id]

    def regions(self, slide: Slide, spot_ids: Sequence[str]) -> npt.NDArray[np.str_] | None:
        """Name what each spot of a test slide was annotated as, for metrics only; ``None`` where nothing is known."""
        return read_regions(self.dataset, self.annotation, slide, spot_ids) if self.annotation else None

    def _input(self, table: SpotTable) -> Input | None:
        """Split a slide's molecules for a method that enhances; ``None`` for any other task."""
        return hide(table, self.panel, self.genes) if self.panel.kind == "enhance" else None

    def _slide(self, slide: Slide) -> LabelledSamples:
        table = self.dataset.table(slide, self.target)
        return self._samples(slide, table, given=self._input(table))

    def _samples(self, slide: Slide, table: SpotTable, *, given: Input | None) -> LabelledSamples:
        n = len(table.spot_ids)
        return LabelledSamples(
            slide_ids=np.full(n, slide.id),
            spot_ids=np.array(table.spot_ids, dtype=np.str_),
            xy_um=table.xy_um,
            array=table.array,
            lattice=table.lattice,
            embeddings=self._embeddings(table),
            patches=self._patches(table),
            oracle=self._oracle(table),
            counts=self._counts(table) if given is None else given.counts,
            targets=self.panel.read(table) if given is None else given.given,
            beside={name: companion.read(self.dataset, table) for name, companion in self.companions.items()},
            totals=None if table.counts is None else table.counts.values.sum(axis=1, dtype=np.float64),
            patients=np.full(n, slide.patient),
        )

    def _counts(self, table: SpotTable) -> Counts | None:
        """Give the counts of a task whose methods are shown them."""
        if not TASKS[self.panel.kind].shows_counts or table.counts is None:
            return None
        return Counts(names=self.genes, values=gene_columns(table.counts, self.genes))

    def _embeddings(self, table: SpotTable) -> Float | None:
        if self.encoder is None or self.patch is not None:
            return None
        image = self.dataset.image(table.slide)
        how = Compute(device=self.device, precision=self.embed_precision)
        return slide_embeddings(self.cache, self.encoder, image, table, name=self.encoder_name, how=how)

    def _patches(self, table: SpotTable) -> Patches | None:
        if self.patch is None:
            return None
        return slide_patches(self.cache, self.dataset.image(table.slide), table, self.patch)

    def _oracle(self, table: SpotTable) -> Targets | None:
        if not self.shows_oracle:
            return None
        if table.oracle is None:
            raise DataError(f"slide {table.slide.id!r} has no oracle to show.")
        place = {name: column for column, name in enumerate(table.oracle.names)}
        columns = [place[name] for name in self.panel.names]
        return replace(table.oracle, names=self.panel.names, values=table.oracle.values[:, columns])


def open_assembler(spec: JobSpec, data_root: Path | None) -> Assembler:
    """Make the assembler of one job: panels fitted on its training slides, its encoder built.

    Raises
    ------
    HistobenchError
        If a plugin, slide or weight file that planning found is not there any more.
    """
    method = registry().methods.get(spec.method)
    card = registry().datasets.get(spec.dataset)
    dataset = _dataset(spec.dataset, data_root)
    target = find_target(card, spec.target)
    slides = {slide.id: slide for slide in dataset.slides(target.read_from)}
    train = [dataset.table(slides[name], target.read_from) for name in spec.train]
    draws = TASKS[target.kind].is_judged
    units = {fact.name: fact.unit for fact in card.targets}
    panel = checkpoint_panel(spec, unit=target.unit) or fit_panel(target.kind, train, unit=target.unit)
    asked = [(name, source, units[source]) for name, source in spec.beside_sources()]
    return Assembler(
        dataset=dataset,
        target=target.read_from,
        panel=panel,
        training=TrainingFacts.of(_joined([panel.read(table) for table in train])),
        companions=fit_companions(asked, dataset, train, panel),
        cache=Cache(),
        # what is to be drawn is no encoder's patch: the encoder looks at its own
        encoder=None if spec.encoder is None else _encoder(spec.encoder, None if draws else spec.patch),
        encoder_name=spec.encoder or "",
        patch=spec.patch if draws or spec.mode != "frozen" else None,
        genes=_genes_given(panel, train, checkpoint_genes(spec)),
        shows_oracle=method.needs_oracle,
        device=spec.device,
        embed_precision=spec.embed_precision,
        annotation="" if TASKS[target.kind].is_class else source_of("label", card) or "",
    )


def _genes_given(panel: Panel, train: Sequence[SpotTable], read: tuple[str, ...]) -> tuple[str, ...]:
    """Name the columns of counts that methods are given, sorted; none where the task gives them none."""
    return tuple(sorted({*genes_seen(train), *panel.names, *read})) if TASKS[panel.kind].shows_counts else ()


def fit_context(
    spec: JobSpec, assembler: Assembler, *, resume: Path | None = None, report: Report | None = None
) -> FitContext:
    """Make what a job's method is given beside the data."""
    trained = None if assembler.patch is None else assembler.encoder
    return FitContext(
        seed=spec.seed,
        device=spec.device,
        precision=spec.precision,
        mode=spec.mode or "frozen",
        encoder=trained,  # type: ignore[arg-type]  # planning lets only trainable ones into a training mode
        resume=resume,
        gradient_checkpointing=spec.gradient_checkpointing,
        **({} if report is None else {"report": report}),
    )


def join(parts: Sequence[LabelledSamples]) -> LabelledSamples:
    """Put the samples of several slides one after the other; patches stay where they are."""
    first = parts[0]
    columns: dict[str, Any] = {}  # Any: columns of different types
    for own in fields(LabelledSamples):
        column = [getattr(part, own.name) for part in parts]
        columns[own.name] = column[0] if column[0] is None or own.name == "lattice" else _join_column(own.name, column)
    return replace(first, **columns)


def _join_column(name: str, column: Sequence[Any]) -> Any:  # Any: arrays, tables or patches, as given
    if name == "patches":
        return PatchStack(column)
    if isinstance(column[0], Targets | Counts):
        return _joined(column)
    if isinstance(column[0], Mapping):
        return {inner: _joined([part[inner] for part in column]) for inner in column[0]}
    return _concatenate(column)


def _joined(tables: Sequence[Any]) -> Any:  # Any: all targets, or all counts
    return replace(tables[0], values=_concatenate([table.values for table in tables]))


def _concatenate(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return np.concatenate(arrays)


def open_dataset(name: str, root: Path | None) -> Dataset:
    """Give a dataset by its name, opened once a process."""
    return _dataset(name, root)


def open_encoder(name: str, geometry: PatchGeometry | None) -> Encoder:
    """Give an encoder by its name, built once a process for the patches it is given."""
    return _encoder(name, geometry)


# One registry, and each dataset and encoder once, for all jobs of a process.
@functools.lru_cache(maxsize=1)
def registry() -> Registry:
    """Give this process's plugins."""
    return Registry.load()


@functools.lru_cache(maxsize=2)
def _dataset(name: str, root: Path | None) -> Dataset:
    return registry().datasets.get(name).build(root)


@functools.lru_cache(maxsize=2)
def _encoder(name: str, geometry: PatchGeometry | None) -> Encoder:
    return registry().encoders.get(name).build(geometry)
