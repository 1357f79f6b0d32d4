"""Which genes separate the clusters of a slide in a method's shared space: integrated gradients and SmoothGrad.

For each ordered pair of clusters, the squared distance between the vectors of their mean profiles is attributed to the
genes. Clusters are the annotated classes or, without annotation, the Leiden clusters of the spots' expression vectors.
Written from ``generative_metrics.md``, section 6. Profiles are on the scale of the method's training slides; published:
on that of their own file. The analysis needs the counts and the fitted method, but no image.

References
----------
Sundararajan, Taly & Yan (2017), *ICML*: integrated gradients. Smilkov et al. (2017), arXiv:1706.03825: SmoothGrad.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from histobench.data import Counts, Float, SlideResult
from histobench.data.panels import gene_columns
from histobench.errors import DataError
from histobench.reports.analyses.findings import Cell, Findings, StudyResults, job_by_job, label_of
from histobench.reports.analyses.geometry import joint_clusters, unit_rows
from histobench.results.records import RunRecord
from histobench.study.fitted import load_fitted
from histobench.study.samples import open_assembler

__all__ = [
    "Attribution",
    "GeneReader",
    "OffersGeneReader",
    "analyse_attribution",
    "attribute",
    "cluster_profiles",
    "integrated_gradients",
    "smooth_gradients",
    "upregulated",
]

Gradient = Callable[[Float], Float]
"""From (m, g) profiles to the (m, g) gradient of the explained function."""

_NODES = 50  # generative_metrics, section 6.3
_DRAWS, _NOISE = 50, 0.15  # generative_metrics, section 6.6
_TOP = 10


class GeneReader(Protocol):
    """The part of a fitted method that reads expression."""

    def read_genes(self, counts: Counts, /) -> tuple[tuple[str, ...], Float]:
        """Return the genes that it reads, and raw counts of any genes as it reads them: (n, g)."""
        ...

    def distance_gradient(self, profiles: Float, reference: Float, /) -> tuple[Float, Float]:
        """Return the squared distances of (m, g) profiles from a reference (g,) in its space, (m,), and their gradient.

        The gradient is (m, g), with respect to the profiles; the vector of the reference is constant.
        """
        ...


@runtime_checkable
class OffersGeneReader(Protocol):
    """A method that can attribute distances to genes."""

    def gene_reader(self) -> GeneReader:
        """Return the part of the fitted method that reads expression."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Which genes separate one cluster, the query, from another, the reference.

    Attributes
    ----------
    distance
        Squared, between the two mean profiles.
    integrated
        (g,) signed contribution of each gene to the distance; they sum to it.
    smooth
        (g,) mean absolute gradient at noisy copies of the query.
    """

    query: str
    reference: str
    distance: float
    integrated: Float
    smooth: Float


def analyse_attribution(study: StudyResults, /) -> Findings:
    """Attribute the clusters of every finished job that retrieves, if its method offers it.

    Raises
    ------
    DataError
        If there is no such job.
    """
    seen, failed = job_by_job(study, {"retrieve"}, lambda record: _attributed(study, record))
    if not seen:
        nothing = "no finished job of this study retrieves by a method that attributes distances to genes"
        raise DataError("; ".join([nothing, *failed]).rstrip(".") + ".")
    tables: dict[str, list[Mapping[str, Cell]]] = {"attribution-top": []}
    for record, (genes, top) in seen:
        tables[f"attribution-{record.job.method}-{record.job_id}"] = genes
        tables["attribution-top"] += top
    note = "only genes that are higher in the query are attributed, as published; shares are absolute values."
    return Findings(tables=tables, notes=[*failed, note])


def _attributed(
    study: StudyResults, record: RunRecord
) -> tuple[list[Mapping[str, Cell]], list[Mapping[str, Cell]]] | None:
    """Attribute a job's clusters: a row per gene, and a row per pair; ``None`` if its method does not offer it."""
    reader, counts = _opened(study, record)
    if reader is None:
        return None
    genes, values = reader.read_genes(counts)
    names, profiles = cluster_profiles(values, _clusters(study.predictions(record)))
    found = attribute(reader, names, profiles, seed=record.job.seed)
    shares = [upregulated(one.integrated, *_pair(one, names, profiles)) for one in found]
    pairs = [f"{one.query} vs. {one.reference}" for one in found]
    top: list[Mapping[str, Cell]] = [
        {
            "method": label_of(record),
            "fold": record.job.fold,
            "query": one.query,
            "reference": one.reference,
            "squared distance": one.distance,
            "completeness error": abs(float(one.integrated.sum()) - one.distance),
            "genes higher in the query": _top(genes, share),
            "by SmoothGrad": _top(genes, one.smooth),
        }
        for one, share in zip(found, shares, strict=True)
    ]
    return _rows(genes, dict(zip(pairs, shares, strict=True))), top


def attribute(reader: GeneReader, names: tuple[str, ...], profiles: Float, /, *, seed: int) -> list[Attribution]:
    """Attribute every ordered pair of (k, g) cluster profiles, sorted by query, then reference."""
    spread = _NOISE * np.ptp(profiles, axis=0)
    found = []
    for query, reference in permutations(range(len(names)), 2):

        def gradient(points: Float, reference: int = reference) -> Float:
            return reader.distance_gradient(points, profiles[reference])[1]

        drawn = np.random.default_rng((seed, query, reference))
        found.append(
            Attribution(
                query=names[query],
                reference=names[reference],
                distance=float(reader.distance_gradient(profiles[[query]], profiles[reference])[0][0]),
                integrated=integrated_gradients(gradient, profiles[query], profiles[reference]),
                smooth=smooth_gradients(gradient, profiles[query], spread, drawn=drawn),
            )
        )
    return found


def cluster_profiles(values: Float, labels: npt.NDArray[np.str_], /) -> tuple[tuple[str, ...], Float]:
    """Average (n, g) expression over each of the (n,) clusters: their names in order, and (k, g).

    Raises
    ------
    DataError
        If there are fewer than two clusters.
    """
    names = tuple(str(name) for name in np.unique(labels) if name != "")
    if len(names) < 2:
        raise DataError(f"attribution compares clusters, but the {len(labels)} spots have {len(names)} cluster.")
    return names, np.stack([values[labels == name].mean(axis=0, dtype=np.float64) for name in names])


def integrated_gradients(gradient: Gradient, query: Float, reference: Float, /, *, nodes: int = _NODES) -> Float:
    """Integrate a gradient along the straight path from a reference (g,) to a query (g,): (g,) shares.

    By Gauss–Legendre quadrature; the shares sum to the difference of the explained function between the two ends.
    """
    places, weights = np.polynomial.legendre.leggauss(nodes)
    step = query - reference
    path = reference + (1 + places[:, None]) / 2 * step
    shares: Float = step * (weights / 2 @ gradient(path))
    return shares


def smooth_gradients(
    gradient: Gradient, query: Float, deviation: Float, /, *, drawn: np.random.Generator, draws: int = _DRAWS
) -> Float:
    """Average the absolute gradient over copies of a query (g,) with noise of (g,) standard deviations: (g,)."""
    copies = query + deviation * drawn.standard_normal((draws, len(query)))
    sizes: Float = np.abs(gradient(copies)).mean(axis=0)
    return sizes


def upregulated(shares: Float, query: Float, reference: Float, /) -> Float:
    """Return the absolute (g,) shares of genes that are higher in the query; 0 for others, as published."""
    kept: Float = np.where(query > reference, np.abs(shares), 0.0)
    return kept


def _opened(study: StudyResults, record: RunRecord) -> tuple[GeneReader | None, Counts]:
    """Load a job's method, and read the raw counts of its test slides.

    Raises
    ------
    DataError
        If the dataset's spots are not those that the job was tested on.
    """
    assembler = open_assembler(record.job, study.registry, study.data_root)
    method = load_fitted(record, study.store.folder(record.job_id), assembler)
    slides = assembler.slides()
    tables = [assembler.dataset.table(slides[name], assembler.target) for name in record.job.test]
    tested = [spot for result in study.predictions(record) for spot in result.spot_ids.tolist()]
    if tested != [str(spot) for table in tables for spot in table.spot_ids]:
        raise DataError("the dataset's spots are not those that it was tested on; use the same version of the data.")
    counts = [table.counts for table in tables if table.counts is not None]
    values = np.concatenate([gene_columns(one, assembler.genes) for one in counts])
    reader = method.gene_reader() if isinstance(method, OffersGeneReader) else None
    return reader, Counts(names=assembler.genes, values=values)


def _clusters(results: list[SlideResult]) -> npt.NDArray[np.str_]:
    """Return each spot's cluster: its annotation, if any slide has one, else the cluster of its expression."""
    if any(result.regions is not None for result in results):
        parts = [np.full(len(r.spot_ids), "") if r.regions is None else r.regions for r in results]
        return np.concatenate(parts)
    vectors = np.concatenate([unit_rows(result.observed.values) for result in results])
    return joint_clusters(vectors).astype(np.str_)


def _pair(one: Attribution, names: tuple[str, ...], profiles: Float) -> tuple[Float, Float]:
    return profiles[names.index(one.query)], profiles[names.index(one.reference)]


def _rows(genes: tuple[str, ...], columns: Mapping[str, Float]) -> list[Mapping[str, Cell]]:
    """Return a row for each gene, the largest share first."""
    table = np.stack(list(columns.values()), axis=1)
    order = np.argsort(-table.max(axis=1), kind="stable")
    return [{"gene": genes[row], **dict(zip(columns, table[row].tolist(), strict=True))} for row in order]


def _top(genes: tuple[str, ...], shares: Float) -> str:
    best = np.argsort(-shares, kind="stable")[:_TOP]
    return " ".join(genes[row] for row in best if shares[row] > 0)
