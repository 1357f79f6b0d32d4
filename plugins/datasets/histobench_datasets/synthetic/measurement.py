"""Synthetic tissue, second step: what the instrument and the deconvolution would report.

Counts are negative binomial around the transcripts of the cells, with dropout. Abundance is a deconvolution's estimate
of the number of cells of each type under the spot, with an error that grows with the number. The noise-free values are
kept as the best possible prediction.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from histobench import Float, Int
from histobench_datasets.synthetic.tissue import CELL_TYPES, Design, grow_tissue, patient_rng

__all__ = ["Measurement", "gene_names", "measure"]

_MARKERS_PER_TYPE = 10
_MARKER_FOLD = (6.0, 30.0)  # over the baseline, log-uniform
_COUNTS_PER_CELL = 120.0  # of all genes together, for a cell with rna = 1
_AMBIENT_COUNTS = 30.0  # per spot: transcripts that drifted in from the whole slide
_CAPTURE_SD = 0.35  # of the log capture efficiency of a spot
_GENE_BATCH_SD = 0.1  # of the log, per gene and patient
_DISPERSION = 4.0  # the variance of a count is mean + mean² / 4
_DROPOUT = 0.3  # probability of losing a gene at a spot where almost nothing is expected
_ESTIMATE_CV = 0.25  # error of the deconvolution, relative to the number of cells
_ESTIMATE_FLOOR = 0.05  # estimated cells where there are none


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The measurements of a section, one row per spot.

    Attributes
    ----------
    cells
        (n, k) float32 true number of cells of each type under the spot.
    abundance
        (n, k) float32 noisy estimate of ``cells``.
    counts
        (n, g) float32 whole numbers.
    expected_counts
        (n, g) float64 expected counts of a spot with average capture efficiency, all molecules sequenced.
    """

    cells: Float
    abundance: Float
    counts: Float
    expected_counts: Float


def gene_names(design: Design) -> tuple[str, ...]:
    """Return the gene names, which cannot be mistaken for real ones."""
    return tuple(f"SYN{number:03d}" for number in range(1, design.n_genes + 1))


@lru_cache(maxsize=16)
def measure(design: Design, patient: int, slide: int, /) -> Measurement:
    """Measure one section; the same arguments give the same numbers, bit for bit."""
    cells = _count_cells(design, patient, slide)
    expected = _expect_counts(design, patient, slide, cells=cells)
    rng = patient_rng(design, patient, slide, 1)
    captured = expected * np.exp(_CAPTURE_SD * rng.standard_normal((len(expected), 1)))
    counts = rng.poisson(rng.gamma(_DISPERSION, captured / _DISPERSION))
    counts[rng.random(counts.shape) < _dropout(captured)] = 0
    return Measurement(
        cells=cells.astype(np.float32),
        abundance=_estimate(cells, rng).astype(np.float32),
        counts=_sequence(counts, design, patient, slide).astype(np.float32),
        expected_counts=expected * (1 - _dropout(expected)),
    )


def _sequence(counts: Int, design: Design, patient: int, slide: int) -> Int:
    """Keep each captured molecule with probability ``depth``."""
    if design.depth == 1:
        return counts
    return patient_rng(design, patient, slide, 6).binomial(counts, design.depth)


def _count_cells(design: Design, patient: int, slide: int) -> Float:
    tissue = grow_tissue(design, patient, slide)
    under = cKDTree(tissue.cell_xy_um).query_ball_point(tissue.spot_xy_um, tissue.spot_radius_um)
    return np.array([np.bincount(tissue.cell_types[cells], minlength=len(CELL_TYPES)) for cells in under], dtype=float)


def _expect_counts(design: Design, patient: int, slide: int, /, *, cells: Float) -> Float:
    per_cell = _signatures(design) * np.array([[cell.rna] for cell in CELL_TYPES]) * _COUNTS_PER_CELL
    batch = np.exp(_GENE_BATCH_SD * patient_rng(design, patient, 0, 2).standard_normal(design.n_genes))
    # One cell of each type is added so that the ambient transcripts have a profile even in an empty section.
    whole_slide = 1 + np.bincount(grow_tissue(design, patient, slide).cell_types, minlength=len(CELL_TYPES))
    profile = whole_slide @ per_cell / (whole_slide @ per_cell).sum()
    expected: Float = (cells @ per_cell + _AMBIENT_COUNTS * profile) * batch
    return expected


@lru_cache(maxsize=8)
def _signatures(design: Design) -> Float:
    """Draw each gene's share of the transcripts of each cell type, equal in all patients: (k, g), rows sum to one."""
    rng = np.random.default_rng(design.seed)
    n_types = len(CELL_TYPES)
    rows = np.exp(rng.standard_normal(design.n_genes) + 0.3 * rng.standard_normal((n_types, design.n_genes)))
    markers = rng.permutation(design.n_genes)[: n_types * _MARKERS_PER_TYPE].reshape(n_types, _MARKERS_PER_TYPE)
    low, high = np.log(_MARKER_FOLD)
    for row, genes in zip(rows, markers, strict=True):
        row[genes] *= np.exp(rng.uniform(low, high, _MARKERS_PER_TYPE))
    signatures: Float = rows / rows.sum(axis=1, keepdims=True)
    return signatures


def _dropout(expected: Float) -> Float:
    chance: Float = _DROPOUT * np.exp(-expected)
    return chance


def _estimate(cells: Float, rng: np.random.Generator) -> Float:
    """Draw gamma variates with mean ``cells`` and a constant coefficient of variation; never negative."""
    shape = 1 / _ESTIMATE_CV**2
    return rng.gamma(shape, (cells + _ESTIMATE_FLOOR) / shape)
