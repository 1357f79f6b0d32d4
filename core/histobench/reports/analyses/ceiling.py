"""The noise ceiling: how well the measurement agrees with itself, which no prediction can be expected to exceed.

There are three estimates, each for datasets that have the data it needs:

- ``count splitting``: every count is split into two halves at random. With r the correlation of the normalised halves,
  the reliability of the whole is 2 r / (1 + r) (Spearman–Brown). A perfect prediction of the expectation correlates
  with the counts by the root of it. The logarithm biases this estimate upwards where a spot has few counts.
- ``tiers``: the abundance of a coarse type compared with the sum of its finer types, from another deconvolution of the
  same counts. The finer types are those whose names begin or end with the coarse type's name.
- ``replicates``: another section of the same patient, read at the same place within the tissue. Sections are aligned by
  their bounding boxes only, so this is a lower bound of the agreement of neighbouring sections.

References
----------
Spearman (1910), *Br. J. Psychol.* 3:271–295; Brown (1910), *ibid.* 296–322. Neufeld et al. (2024), *Biostatistics*
25:270–287: count splitting.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from histobench.contracts.tasks import TASKS
from histobench.data import Counts, Float, Slide, SpotTable
from histobench.errors import DataError, HistobenchError
from histobench.reports.analyses.findings import AMOUNTS, Cell, Findings, StudyResults
from histobench.results.records import JobSpec
from histobench.study.samples import Assembler, open_assembler

__all__ = ["analyse_ceiling", "split_ceiling", "tier_members"]

_SPLITS = 5

Row = Mapping[str, Cell]


def analyse_ceiling(study: StudyResults, /) -> Findings:
    """Estimate the ceilings of every dataset and target of a study, on its test slides.

    Raises
    ------
    DataError
        If no job is finished, or no dataset has the data that an estimate needs.
    """
    rows: list[Row] = []
    notes: list[str] = []
    for spec in _one_job_a_fold(study):
        try:
            rows += _rows(open_assembler(spec, study.registry, study.data_root), spec)
        except HistobenchError as error:
            notes.append(f"{spec.dataset} {spec.target}, fold {spec.fold} is left out: {error}")
    if not rows:
        raise DataError(" ".join(["no noise ceiling can be estimated here.", *notes]))
    notes.append(
        "Pearson over spots, per slide, mean over the targets where it is defined; count splitting: the root of the "
        "reliability; tiers and replicates: plain agreement. All ceilings are estimates."
    )
    return Findings(tables={"ceiling": rows}, notes=notes)


def _one_job_a_fold(study: StudyResults) -> Iterator[JobSpec]:
    """Yield one job per dataset, target, scheme and fold; methods and seeds do not matter here."""
    seen: set[tuple[str, ...]] = set()
    for record in study.done():
        job = record.job
        place = (job.dataset, job.target, job.scheme, job.fold)
        if place not in seen and job.kind in AMOUNTS | {"label"}:
            seen.add(place)
            yield job.model_copy(update={"encoder": None, "mode": None, "patch": None, "beside": {}})


def _rows(assembler: Assembler, spec: JobSpec) -> Iterator[Row]:
    slides = assembler.slides()
    for name in spec.test:
        slide = slides[name]
        table = assembler.dataset.table(slide, spec.target)
        about: dict[str, Cell] = {"dataset": spec.dataset, "target": spec.target, "fold": spec.fold, "slide": name}
        if TASKS[spec.kind].from_counts and table.counts is not None:
            values = split_ceiling(table, assembler)
            yield {**about, "ceiling": "count splitting", **_summary(values)}
        if spec.kind == "cell_abundance":
            yield from ({**about, **row} for row in _tiers(assembler, spec, slide))
        yield from ({**about, **row} for row in _replicates(assembler, table))


def split_ceiling(table: SpotTable, assembler: Assembler) -> Float:
    """Estimate for each target the largest correlation that a prediction can have with the counts.

    Returns
    -------
    (t,) float64
        Mean over five splits; NaN where a half does not vary, 0 where the halves do not agree.

    Raises
    ------
    DataError
        If the slide has no counts, or they are not whole numbers.
    """
    counts = table.counts
    if counts is None or (counts.values != np.rint(counts.values)).any():
        raise DataError(f"slide {table.slide.id!r} has no whole counts to split.")
    found = []
    for seed in range(_SPLITS):
        one = np.random.default_rng(seed).binomial(counts.values.astype(np.int64), 0.5)
        halves = [_read_half(table, assembler, half, counts) for half in (one, counts.values - one)]
        r = _pearson(*halves)
        found.append(np.sqrt(np.clip(2 * r / (1 + np.maximum(r, 0)), 0, 1)))
    ceiling: Float = np.mean(found, axis=0)
    return ceiling


def _read_half(table: SpotTable, assembler: Assembler, half: npt.NDArray[np.generic], counts: Counts) -> Float:
    part = replace(table, counts=replace(counts, values=half.astype(np.float32)))
    return assembler.panel.read(part).values


def _tiers(assembler: Assembler, spec: JobSpec, slide: Slide) -> Iterator[Row]:
    card = assembler.registry.datasets.get(spec.dataset)
    coarse = assembler.dataset.table(slide, spec.target)
    for fact in card.targets:
        if fact.kind != spec.kind or fact.name == spec.target:
            continue
        fine = assembler.dataset.table(slide, fact.name)
        sums = _summed(coarse, fine)
        if sums is None:
            continue
        yield {"ceiling": f"tiers: {fact.name}", **_summary(_pearson(*sums))}


def tier_members(coarse: str, fine: Sequence[str]) -> list[str]:
    """List the finer types that begin or end with a coarse type's name."""
    return [name for name in fine if name == coarse or name.startswith(f"{coarse} ") or name.endswith(f" {coarse}")]


def _summed(coarse: SpotTable, fine: SpotTable) -> tuple[Float, Float] | None:
    """Return the coarse types and the sums of their finer types, (n, t) on shared spots; ``None`` if none match."""
    if coarse.targets is None or fine.targets is None:
        return None
    members = {name: tier_members(name, fine.targets.names) for name in coarse.targets.names}
    # a coarser tier has no finer types to sum
    members = {name: parts for name, parts in members.items() if parts and len(fine.targets.names) > len(members)}
    place = {spot: row for row, spot in enumerate(fine.spot_ids)}
    rows = [row for row, spot in enumerate(coarse.spot_ids) if spot in place]
    if not members or not rows:
        return None
    there = [place[coarse.spot_ids[row]] for row in rows]
    one = coarse.targets.values[rows][:, [coarse.targets.names.index(name) for name in members]]
    sums = [
        fine.targets.values[there][:, [fine.targets.names.index(part) for part in parts]].sum(axis=1)
        for parts in members.values()
    ]
    return one, np.stack(sums, axis=1)


def _replicates(assembler: Assembler, table: SpotTable) -> Iterator[Row]:
    others = [
        slide
        for slide in assembler.slides().values()
        if slide.patient == table.slide.patient and slide.id != table.slide.id
    ]
    if not others:
        return
    observed = assembler.panel.read(table).values
    read = []
    for slide in others:
        other = assembler.dataset.table(slide, assembler.target)
        _, nearest = cKDTree(_within(other.xy_um)).query(_within(table.xy_um))
        read.append(assembler.panel.read(other).values[nearest])
    values = _pearson(np.mean(read, axis=0), observed)
    yield {"ceiling": f"replicates: {len(others)} sections", **_summary(values)}


def _within(xy_um: Float) -> Float:
    extent = np.ptp(xy_um, axis=0)
    scaled: Float = (xy_um - xy_um.min(axis=0)) / np.where(extent > 0, extent, 1.0)
    return scaled


def _pearson(one: Float, other: Float) -> Float:
    """Correlate (n, t) tables column by column: (t,) float64, NaN where a column is constant."""
    left, right = (side.astype(np.float64) - side.mean(axis=0, dtype=np.float64) for side in (one, other))
    lengths = np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))
    products = (left * right).sum(axis=0)
    r: Float = np.divide(products, lengths, out=np.full(len(lengths), np.nan), where=lengths > 1e-12)
    return r


def _summary(values: Iterable[float]) -> dict[str, Cell]:
    numbers = np.asarray(list(values), dtype=np.float64)
    defined = numbers[np.isfinite(numbers)]
    return {
        "pearson": float(defined.mean()) if defined.size else float("nan"),
        "lowest": float(defined.min()) if defined.size else float("nan"),
        "highest": float(defined.max()) if defined.size else float("nan"),
        "targets": int(defined.size),
        "undefined": int(len(numbers) - defined.size),
    }
