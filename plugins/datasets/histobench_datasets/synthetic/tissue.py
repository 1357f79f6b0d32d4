"""Synthetic tissue, first step: the spots, the tissue regions, and the cells.

Regions come from smooth random fields. Cells come from an inhomogeneous Poisson process with an intensity set by the
region and by a smooth field per cell type (a log-Gaussian Cox process). Densities have the magnitude of breast tissue:
thousands of nuclei per square millimetre in epithelium and lymphoid aggregates, hundreds in stroma.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from histobench import ConfigError, Float, Int, Lattice

__all__ = ["CELL_TYPES", "GRID_UM", "REGIONS", "CellType", "Design", "Tissue", "grow_tissue", "patient_rng"]

REGIONS = ("tumour", "stroma", "immune", "adipose", "gland", "vessel")
"""Tissue regions; the index is the value in `Tissue.regions`."""

GRID_UM = 10.0
"""Side of the squares on which fields, regions and intensities are drawn, in microns."""

_REGION_BIAS = {"tumour": 0.35, "stroma": 0.45, "immune": -0.25, "adipose": -0.05, "gland": -0.45}
_REGION_FIELD_UM = 130.0  # smoothing length of the region fields: nests a few hundred microns wide
_VESSEL_FIELD_UM = 25.0
_VESSEL_SHARE = 0.03  # of the stroma
_PATIENT_BIAS_SD = 0.25
_CELL_FIELD_UM = 90.0
_CELL_FIELD_SD = 0.6  # of the log intensity
_MARGIN_UM = 150.0  # around the outermost spots
_FILL = 0.8  # share of the lattice that is under tissue
_PITCH_UM: Mapping[Lattice, float] = {"square": 200.0, "hex": 100.0}  # legacy ST, Visium
_SPOT_RADIUS_UM: Mapping[Lattice, float] = {"square": 50.0, "hex": 27.5}


@dataclass(frozen=True, slots=True, kw_only=True)
class CellType:
    """A cell type: the appearance of its nucleus and where it occurs.

    Attributes
    ----------
    radius_um
        Radius of the nucleus if it were round.
    elongation
        Long over short axis.
    haematoxylin
        Optical density of the nucleus relative to that of a lymphocyte.
    rna
        Transcripts of one cell relative to those of a fibroblast.
    per_mm2
        Expected cells per square millimetre: region → density; zero in other regions.
    """

    name: str
    radius_um: float
    elongation: float
    haematoxylin: float
    rna: float
    per_mm2: Mapping[str, float]


CELL_TYPES = (
    CellType(
        name="cancer epithelial", radius_um=5.2, elongation=1.25, haematoxylin=0.62, rna=1.6,
        per_mm2={"tumour": 4200, "stroma": 60, "immune": 40},
    ),
    CellType(
        name="normal epithelial", radius_um=4.0, elongation=1.4, haematoxylin=0.75, rna=1.2,
        per_mm2={"gland": 5200, "tumour": 60},
    ),
    CellType(
        name="fibroblast", radius_um=3.4, elongation=3.6, haematoxylin=0.7, rna=1.0,
        per_mm2={"stroma": 1300, "tumour": 220, "gland": 250, "immune": 150, "adipose": 70, "vessel": 400},
    ),
    CellType(
        name="endothelial", radius_um=3.0, elongation=2.6, haematoxylin=0.8, rna=0.8,
        per_mm2={"vessel": 4000, "stroma": 90, "tumour": 70, "adipose": 60, "immune": 80},
    ),
    CellType(
        name="t cell", radius_um=3.1, elongation=1.1, haematoxylin=1.0, rna=0.5,
        per_mm2={"immune": 4200, "stroma": 220, "tumour": 200, "gland": 120, "vessel": 150},
    ),
    CellType(
        name="b cell", radius_um=3.4, elongation=1.05, haematoxylin=0.95, rna=0.6,
        per_mm2={"immune": 3600, "stroma": 60, "tumour": 20},
    ),
    CellType(
        name="macrophage", radius_um=4.3, elongation=1.6, haematoxylin=0.45, rna=1.3,
        per_mm2={"tumour": 260, "stroma": 180, "immune": 350, "adipose": 50, "gland": 60},
    ),
    CellType(
        name="adipocyte", radius_um=3.0, elongation=2.4, haematoxylin=0.6, rna=0.7,
        per_mm2={"adipose": 400},
    ),
)  # fmt: skip
"""The cell types of the synthetic breast; T and B cells look nearly alike and differ in their neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How much tissue is made; everything else follows from the seed.

    Attributes
    ----------
    spots_per_slide
        Number of spots under tissue on each slide.
    n_genes
        At least ten per cell type.
    depth
        Share of the captured molecules that are sequenced. Tissue, image, captured molecules and truth do not depend on
        it.

    Raises
    ------
    ConfigError
        If a number is too small, or the depth is not in (0, 1].
    """

    n_patients: int = 4
    slides_per_patient: int = 2
    spots_per_slide: int = 80
    n_genes: int = 120
    lattice: Lattice = "square"
    seed: int = 0
    depth: float = field(default=1.0, repr=False)  # so that hashes of what it does not change omit it

    def __post_init__(self) -> None:
        """Check that the design yields tissue."""
        lowest = {
            "n_patients": 1,
            "slides_per_patient": 1,
            "spots_per_slide": 4,
            "n_genes": 10 * len(CELL_TYPES),
            "seed": 0,
        }
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise ConfigError(f"synthetic tissue needs {name} of at least {least}, got {getattr(self, name)}.")
        if not 0 < self.depth <= 1:
            raise ConfigError(f"synthetic tissue needs a depth above 0 and at most 1, got {self.depth}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tissue:
    """One generated section; all positions in microns from the image's upper left corner, x first.

    Attributes
    ----------
    side_um
        Side of the square section.
    regions
        (g, g) int8 index into `REGIONS`; -1 off the tissue. Row is y.
    cell_xy_um, cell_types
        (m, 2) positions and (m,) indices into `CELL_TYPES`.
    array, spot_xy_um
        (n, 2) lattice positions, column first, and their positions in microns; sorted by row, then column.
    fibre_angle
        Main direction of the stromal fibres, in radians.
    """

    side_um: float
    regions: npt.NDArray[np.int8]
    cell_xy_um: Float
    cell_types: Int
    array: Int
    spot_xy_um: Float
    spot_radius_um: float
    fibre_angle: float


def patient_rng(design: Design, patient: int, /, *purpose: int) -> np.random.Generator:
    """Return the generator of one patient or, with further numbers, of one slide and purpose."""
    return np.random.default_rng([design.seed, patient, *purpose])


@lru_cache(maxsize=16)
def grow_tissue(design: Design, patient: int, slide: int, /) -> Tissue:
    """Grow one section; the same arguments give the same section, bit for bit."""
    rng = patient_rng(design, patient, slide, 0)
    array, xy_um = _lay_lattice(design)
    side_um = float(xy_um.max() + _MARGIN_UM)
    n_grid = int(np.ceil(side_um / GRID_UM))
    level = _tissue_level(n_grid, rng)
    spot_level = _at_grid(level, xy_um)
    chosen = np.sort(np.argsort(-spot_level, kind="stable")[: design.spots_per_slide])
    regions = _draw_regions(n_grid, patient_rng(design, patient), rng)
    regions[level < spot_level[chosen].min() - 0.02] = -1
    cell_xy_um, cell_types = _scatter_cells(regions, rng)
    return Tissue(
        side_um=side_um,
        regions=regions,
        cell_xy_um=cell_xy_um,
        cell_types=cell_types,
        array=array[chosen],
        spot_xy_um=xy_um[chosen],
        spot_radius_um=_SPOT_RADIUS_UM[design.lattice],
        fibre_angle=float(rng.uniform(0, np.pi)),
    )


def _at_grid(grid: Float, xy_um: Float) -> Float:
    """Read a grid at positions: (n,)."""
    column, row = np.clip((xy_um / GRID_UM).astype(np.int64), 0, len(grid) - 1).T
    values: Float = grid[row, column]
    return values


def _lay_lattice(design: Design) -> tuple[Int, Float]:
    """Return all places, on the array and in microns; if hexagonal, rows are shifted and columns count by two."""
    side = int(np.ceil(np.sqrt(design.spots_per_slide / _FILL)))
    row, column = (index.ravel() for index in np.mgrid[:side, :side])
    pitch = _PITCH_UM[design.lattice]
    if design.lattice == "hex":
        column = 2 * column + row % 2
        steps = np.array([pitch / 2, pitch * np.sqrt(0.75)])
    else:
        steps = np.array([pitch, pitch])
    array = np.column_stack([column, row]).astype(np.int64)
    return array, array * steps + _MARGIN_UM


def _tissue_level(n_grid: int, rng: np.random.Generator) -> Float:
    """Draw a rounded plateau with an uneven edge; tissue is where it is high."""
    axis = np.linspace(-1, 1, n_grid)
    distance = (np.abs(axis[:, None]) ** 3 + np.abs(axis[None, :]) ** 3) ** (1 / 3)
    level: Float = 1 - distance**2 + 0.25 * _smooth_field(n_grid, _REGION_FIELD_UM, rng)
    return level


def _smooth_field(n_grid: int, length_um: float, rng: np.random.Generator) -> Float:
    """Draw a Gaussian random field with unit variance and the given smoothing length: (n_grid, n_grid)."""
    field = ndimage.gaussian_filter(rng.standard_normal((n_grid, n_grid)), length_um / GRID_UM, mode="reflect")
    scaled: Float = (field - field.mean()) / field.std()
    return scaled


def _draw_regions(n_grid: int, patient: np.random.Generator, rng: np.random.Generator) -> npt.NDArray[np.int8]:
    """Assign each square to the region with the highest field; the slides of a patient share the region biases."""
    fields = [
        _smooth_field(n_grid, _REGION_FIELD_UM, rng) + bias + _PATIENT_BIAS_SD * patient.standard_normal()
        for bias in _REGION_BIAS.values()
    ]
    regions: npt.NDArray[np.int8] = np.argmax(fields, axis=0).astype(np.int8)
    vessels = _smooth_field(n_grid, _VESSEL_FIELD_UM, rng)
    in_stroma = regions == REGIONS.index("stroma")
    if in_stroma.any():
        high = np.quantile(vessels[in_stroma], 1 - _VESSEL_SHARE)
        regions[in_stroma & (vessels >= high)] = REGIONS.index("vessel")
    return regions


def _scatter_cells(regions: npt.NDArray[np.int8], rng: np.random.Generator) -> tuple[Float, Int]:
    square_mm2 = (GRID_UM / 1000) ** 2
    xy_um, kinds = [], []
    for kind, cell in enumerate(CELL_TYPES):
        density = np.array([cell.per_mm2.get(region, 0.0) for region in REGIONS] + [0.0])  # the last: off the tissue
        own = _CELL_FIELD_SD * _smooth_field(len(regions), _CELL_FIELD_UM, rng) - _CELL_FIELD_SD**2 / 2
        n_cells = rng.poisson(density[regions] * np.exp(own) * square_mm2)
        row, column = (np.repeat(index, n_cells.ravel()) for index in (i.ravel() for i in np.indices(n_cells.shape)))
        xy_um.append((np.column_stack([column, row]) + rng.random((len(row), 2))) * GRID_UM)
        kinds.append(np.full(len(row), kind, dtype=np.int64))
    return np.concatenate(xy_um), np.concatenate(kinds)
