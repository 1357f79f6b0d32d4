"""One fold of the toy dataset, as the input of a method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from histobench.contracts.protocols import PatchGeometry
from histobench.contracts.tasks import TASKS
from histobench.data import Auxiliary, Counts, Float, Kind, LabelledSamples, Samples, Slide, SpotTable, Targets, UInt8
from histobench.data.held_out_counts import hide
from histobench.data.panels import Panel, fit_panel, gene_columns, genes_seen
from histobench.errors import DataError
from histobench.images import cut_patches
from histobench.study.side_targets import SOURCES, SideTarget, fit_side_targets
from histobench.testing.toy import SPOT_PX, ToyDataset

__all__ = ["EMBEDDING_DIM", "ToyFold", "toy_fold", "unlabelled"]

EMBEDDING_DIM = 24
"""Width of the toy embeddings."""

_TRAIN, _VAL, _TEST = slice(0, 2), slice(2, 3), slice(3, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyFold:
    """Two patients for training, one for validation, one for test; sixty spots each."""

    train: LabelledSamples
    val: LabelledSamples
    test: LabelledSamples


def toy_fold(kind: Kind = "cell_abundance", /, *, patch_px: int = 32, beside: Sequence[Auxiliary] = ()) -> ToyFold:
    """Return a fold whose samples have everything that a method may ask for.

    Patches are (n, patch_px, patch_px, 3) uint8; embeddings are (n, 24) float32: colour statistics of each patch's
    quarters, projected by a fixed matrix. Genes are chosen on the two training slides.

    Parameters
    ----------
    beside
        Side targets that the method trains with.
    """
    toy = ToyDataset()
    read = "gene_expression" if TASKS[kind].from_counts else kind
    tables = [toy.table(slide, read) for slide in toy.slides(read)]
    panel = fit_panel(kind, tables[_TRAIN], unit="toy")
    side_targets = fit_side_targets([(name, SOURCES[name], "toy") for name in beside], toy, tables[_TRAIN], panel)
    genes = genes_seen(tables[_TRAIN]) if TASKS[kind].shows_counts else ()
    sides = {}
    for side, part in (("train", _TRAIN), ("val", _VAL), ("test", _TEST)):
        sides[side] = _samples(
            tables[part],
            np.concatenate([_patches(toy, table.slide, patch_px) for table in tables[part]]),
            shown=[_shown(table, panel, genes) for table in tables[part]],
            beside=_beside(toy, side_targets, tables[part]),
        )
    return ToyFold(**sides)


def unlabelled(samples: LabelledSamples, /) -> Samples:
    """Remove everything that only ``fit`` may use, and the oracle."""
    return Samples(
        slide_ids=samples.slide_ids,
        spot_ids=samples.spot_ids,
        xy_um=samples.xy_um,
        array=samples.array,
        lattice=samples.lattice,
        embeddings=samples.embeddings,
        patches=samples.patches,
        counts=samples.counts,
    )


def _shown(table: SpotTable, panel: Panel, genes: tuple[str, ...]) -> tuple[Targets, Counts | None]:
    """Return the targets of a slide, and the counts that the task gives to the method."""
    if TASKS[panel.kind].holds_out_counts:
        given = hide(table, panel, genes)
        return given.given, given.counts
    counts = Counts(names=genes, values=gene_columns(table.counts, genes)) if genes and table.counts else None
    return panel.read(table), counts


def _beside(toy: ToyDataset, side_targets: Mapping[str, SideTarget], tables: Sequence[SpotTable]) -> dict[str, Targets]:
    return {name: _stack([one.read(toy, table) for table in tables]) for name, one in side_targets.items()}


def _patches(toy: ToyDataset, slide: Slide, patch_px: int) -> UInt8:
    geometry = PatchGeometry(patch_px=patch_px, field_px=SPOT_PX)
    table = toy.table(slide, "cell_abundance")
    return cut_patches(toy.image(slide).read(), table.xy_px, geometry, mpp=slide.mpp)


def _samples(
    tables: Sequence[SpotTable],
    patches: UInt8,
    /,
    *,
    shown: Sequence[tuple[Targets, Counts | None]],
    beside: Mapping[str, Targets],
) -> LabelledSamples:
    targets = _stack([values for values, _ in shown])
    counts = [given for _, given in shown if given is not None]
    oracles = [_choose(table.oracle, targets.names) for table in tables if table.oracle is not None]
    return LabelledSamples(
        slide_ids=np.concatenate([np.full(len(table.spot_ids), table.slide.id) for table in tables]),
        spot_ids=np.concatenate([np.array(table.spot_ids) for table in tables]),
        xy_um=np.concatenate([table.xy_um for table in tables]),
        array=np.concatenate([table.array for table in tables]),
        embeddings=_embed(patches),
        patches=patches,
        counts=replace(counts[0], values=np.concatenate([given.values for given in counts])) if counts else None,
        oracle=_stack(oracles),
        targets=targets,
        beside=beside,
        totals=np.concatenate([_totals(table) for table in tables]),
        patients=np.concatenate([np.full(len(table.spot_ids), table.slide.patient) for table in tables]),
    )


def _embed(patches: UInt8) -> Float:
    """Turn (n, p, p, 3) patches into (n, 24) float32."""
    n, side = len(patches), patches.shape[1]
    half = side // 2
    quarters = patches[:, : 2 * half, : 2 * half].reshape(n, 2, half, 2, half, 3) / 255.0
    colours = quarters.mean(axis=(2, 4)).reshape(n, 12)
    projection = np.random.default_rng(0).normal(size=(12, EMBEDDING_DIM))
    embedded: Float = (colours @ projection).astype(np.float32)
    return embedded


def _totals(table: SpotTable) -> Float:
    """Sum each spot's counts: (n,); the toy has counts on every slide."""
    if table.counts is None:
        raise DataError(f"toy slide {table.slide.id!r} has no counts.")
    totals: Float = table.counts.values.sum(axis=1, dtype=np.float64)
    return totals


def _stack(parts: Sequence[Targets]) -> Targets:
    return Targets(kind=parts[0].kind, names=parts[0].names, values=np.concatenate([part.values for part in parts]))


def _choose(oracle: Targets, names: tuple[str, ...]) -> Targets:
    """Return the oracle's columns of these names, in this order."""
    columns = [oracle.names.index(name) for name in names]
    return Targets(kind=oracle.kind, names=names, values=oracle.values[:, columns])
