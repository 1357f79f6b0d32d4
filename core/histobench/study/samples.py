"""Make the samples of slides: tables, panel, patches or embeddings, one slide after another."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from histobench.cache import Cache
from histobench.contracts.encoder_card import Precision
from histobench.contracts.protocols import Dataset, Encoder, FitContext, PatchGeometry, Report
from histobench.contracts.registry import Registry
from histobench.contracts.tasks import TASKS, find_target
from histobench.data import Counts, Float, LabelledSamples, Patches, Slide, SpotTable, Targets, TrainingFacts
from histobench.data.panels import Panel, fit_panel, gene_columns, genes_seen
from histobench.errors import DataError
from histobench.images.embedding import Compute, PatchStack, slide_embeddings, slide_patches
from histobench.results.records import JobSpec
from histobench.study.checkpoint_evaluation import checkpoint_genes, checkpoint_panel
from histobench.study.side_targets import SideTarget, fit_side_targets, source_of

__all__ = ["Assembler", "fit_context", "join", "open_assembler", "open_dataset", "open_encoder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembler:
    """Makes samples of slides for one job.

    Attributes
    ----------
    target
        The dataset's own target that the slides are read with.
    panel, side_targets
        What is predicted, and what the method trains with in addition, by name.
    training
        Statistics of each target over the training spots.
    genes
        Columns of the counts that the method is given: every gene seen in training. Empty if the task shows no counts.
    encoder, encoder_name
        The built encoder; ``None`` if the method takes none.
    patch
        The patches that the samples carry for a network in training; ``None`` if they carry none.
    shows_oracle
        True only for the control that is shown the truth.
    device, embed_precision
        Where a frozen encoder runs, and in which precision.
    annotation
        The dataset's target with the class of each spot; empty if there is none, or if it is predicted.
    """

    registry: Registry
    dataset: Dataset
    target: str
    panel: Panel
    cache: Cache
    training: TrainingFacts
    side_targets: Mapping[str, SideTarget] = field(default_factory=dict)
    encoder: Encoder | None = None
    encoder_name: str = ""
    patch: PatchGeometry | None = None
    shows_oracle: bool = False
    device: str = "cpu"
    embed_precision: Precision = "fp32"
    annotation: str = ""
    genes: tuple[str, ...] = ()

    def slides(self) -> dict[str, Slide]:
        """Return the dataset's slides by their ids."""
        return {slide.id: slide for slide in self.dataset.slides(self.target)}

    def table(self, slide: Slide) -> SpotTable:
        """Read a slide's spots."""
        return self.dataset.table(slide, self.target)

    def counts(self, table: SpotTable) -> Counts | None:
        """Read the counts that the method is given; ``None`` if the task shows none."""
        if not self.genes or table.counts is None:
            return None
        return Counts(names=self.genes, values=gene_columns(table.counts, self.genes))

    def patches(self, table: SpotTable, geometry: PatchGeometry) -> Patches:
        """Cut a patch around each spot of a slide."""
        return slide_patches(self.cache, self.dataset.image(table.slide), table, geometry)

    def samples(self, table: SpotTable, targets: Targets, counts: Counts | None) -> LabelledSamples:
        """Make the samples of one slide with these targets and counts."""
        n = len(table.spot_ids)
        return LabelledSamples(
            slide_ids=np.full(n, table.slide.id),
            spot_ids=np.array(table.spot_ids, dtype=np.str_),
            xy_um=table.xy_um,
            array=table.array,
            lattice=table.lattice,
            embeddings=self._embeddings(table),
            patches=None if self.patch is None else self.patches(table, self.patch),
            oracle=self._oracle(table),
            counts=counts,
            targets=targets,
            beside={name: side.read(self.dataset, table) for name, side in self.side_targets.items()},
            totals=None if table.counts is None else table.counts.values.sum(axis=1, dtype=np.float64),
            patients=np.full(n, table.slide.patient),
        )

    def _embeddings(self, table: SpotTable) -> Float | None:
        if self.encoder is None or self.patch is not None:
            return None
        image = self.dataset.image(table.slide)
        how = Compute(device=self.device, precision=self.embed_precision)
        return slide_embeddings(self.cache, self.encoder, image, table, name=self.encoder_name, how=how)

    def _oracle(self, table: SpotTable) -> Targets | None:
        if not self.shows_oracle:
            return None
        if table.oracle is None:
            raise DataError(f"slide {table.slide.id!r} has no known truth, which this control needs.")
        place = {name: column for column, name in enumerate(table.oracle.names)}
        columns = [place[name] for name in self.panel.names]
        return replace(table.oracle, names=self.panel.names, values=table.oracle.values[:, columns])


def open_assembler(spec: JobSpec, registry: Registry, data_root: Path | None) -> Assembler:
    """Make the assembler of one job: fit its panels on the training slides, build its encoder.

    Raises
    ------
    HistobenchError
        If a plugin, slide or weight file that planning found is gone.
    """
    card = registry.datasets.get(spec.dataset)
    dataset = open_dataset(registry, spec.dataset, data_root)
    target = find_target(card, spec.target)
    facts = TASKS[target.kind]
    slides = {slide.id: slide for slide in dataset.slides(target.read_from)}
    train = [dataset.table(slides[name], target.read_from) for name in spec.train]
    units = {fact.name: fact.unit for fact in card.targets}
    panel = checkpoint_panel(spec, unit=target.unit) or fit_panel(target.kind, train, unit=target.unit)
    genes = {*genes_seen(train), *panel.names, *checkpoint_genes(spec)} if facts.shows_counts else ()
    asked = [(name, source, units[source]) for name, source in spec.beside_sources()]
    # patches that are to be drawn have the method's size, not the encoder's
    patch = None if facts.is_judged else spec.patch
    return Assembler(
        registry=registry,
        dataset=dataset,
        target=target.read_from,
        panel=panel,
        training=TrainingFacts.of(_joined([panel.read(table) for table in train])),
        side_targets=fit_side_targets(asked, dataset, train, panel),
        cache=Cache(),
        encoder=None if spec.encoder is None else open_encoder(registry, spec.encoder, patch),
        encoder_name=spec.encoder or "",
        patch=spec.patch if facts.is_judged or spec.mode != "frozen" else None,
        genes=tuple(sorted(genes)),
        shows_oracle=registry.methods.get(spec.method).needs_oracle,
        device=spec.device,
        embed_precision=spec.embed_precision,
        annotation="" if facts.is_class else source_of("label", card) or "",
    )


def fit_context(
    spec: JobSpec, assembler: Assembler, *, resume: Path | None = None, report: Report | None = None
) -> FitContext:
    """Make what a job's method is given in addition to the data."""
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
    """Concatenate the samples of several slides; patches stay on disk."""
    first = parts[0]
    columns: dict[str, Any] = {}  # Any: columns of different types
    for own in fields(LabelledSamples):
        column = [getattr(part, own.name) for part in parts]
        columns[own.name] = column[0] if column[0] is None or own.name == "lattice" else _join_column(own.name, column)
    return replace(first, **columns)


def _join_column(name: str, column: Sequence[Any]) -> Any:  # Any: arrays, tables or patches
    if name == "patches":
        return PatchStack(column)
    if isinstance(column[0], Targets | Counts):
        return _joined(column)
    if isinstance(column[0], Mapping):
        return {inner: _joined([part[inner] for part in column]) for inner in column[0]}
    return np.concatenate(column)


def _joined(tables: Sequence[Any]) -> Any:  # Any: all targets, or all counts
    return replace(tables[0], values=np.concatenate([table.values for table in tables]))


@functools.lru_cache(maxsize=2)
def open_dataset(registry: Registry, name: str, root: Path | None) -> Dataset:
    """Open a dataset; the jobs of one process share it."""
    return registry.datasets.get(name).build(root)


@functools.lru_cache(maxsize=2)
def open_encoder(registry: Registry, name: str, geometry: PatchGeometry | None) -> Encoder:
    """Build an encoder for the patches that it will be given; the jobs of one process share it."""
    return registry.encoders.get(name).build(geometry)
