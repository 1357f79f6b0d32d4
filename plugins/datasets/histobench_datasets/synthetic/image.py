"""Synthetic tissue, third step: the H&E image of a section.

Two stains are painted as optical densities, haematoxylin for nuclei and eosin for the rest, and converted to light by
the Beer-Lambert law with the stain vectors of Ruifrok and Johnston (2001, *Anal. Quant. Cytol. Histol.* 23:291-299).
Each patient has its own staining strength, hue, scanner resolution and sharpness, so that colour alone misleads.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from histobench import Float, UInt8
from histobench_datasets.synthetic.tissue import (
    CELL_TYPES,
    GRID_UM,
    REGIONS,
    Design,
    Tissue,
    grow_tissue,
    patient_rng,
)

__all__ = ["draw_image", "patient_mpp"]

_Plane = npt.NDArray[np.float32]

_HAEMATOXYLIN = (0.65, 0.70, 0.29)
_EOSIN = (0.07, 0.99, 0.11)
_NUCLEUS_OD = 1.1  # of a lymphocyte
_EOSIN_OD = {"tumour": 0.32, "stroma": 0.5, "immune": 0.22, "adipose": 0.04, "gland": 0.4, "vessel": 0.75}
_HAZE_OD = {"tumour": 0.12, "stroma": 0.02, "immune": 0.1, "adipose": 0.0, "gland": 0.08, "vessel": 0.03}
_FIBRES = {"tumour": 0.15, "stroma": 0.4, "immune": 0.05, "adipose": 0.0, "gland": 0.15, "vessel": 0.1}
_IS_FAT = {region: float(region == "adipose") for region in REGIONS}
_FIBRE_UM = 11.0  # distance between bundles of collagen
_TEXTURE_PX = 2  # background is painted at half resolution
_VACUOLE_UM = (22.0, 34.0)  # radius of an adipocyte's droplet of fat
_VACUOLE_RIM_OD = 0.3
_SPREAD_SD = 0.15  # of the log of a nucleus's size and density
_BATCH = 4000  # nuclei painted at once


def patient_mpp(design: Design, patient: int, /) -> float:
    """Return the microns per pixel of the scanner of a patient's slides."""
    return round(float(patient_rng(design, patient, 0, 3).uniform(0.9, 1.0)), 3)


def draw_image(design: Design, patient: int, slide: int, /) -> UInt8:
    """Draw a section as (h, w, 3) uint8 RGB; the same arguments give the same pixels."""
    tissue = grow_tissue(design, patient, slide)
    mpp = patient_mpp(design, patient)
    rng = patient_rng(design, patient, slide, 4)
    haematoxylin, eosin = _paint_background(tissue, mpp, rng)
    eosin = _carve_fat(tissue, eosin, mpp=mpp, rng=rng)
    haematoxylin += _paint_nuclei(tissue, haematoxylin.shape, mpp=mpp, rng=rng)
    return _scan(haematoxylin, eosin, patient_rng(design, patient, 0, 5), rng)


def _paint_background(tissue: Tissue, mpp: float, rng: np.random.Generator) -> tuple[_Plane, _Plane]:
    """Paint cytoplasm and fibres, and return the haematoxylin and the eosin plane."""
    side = round(tissue.side_um / mpp)
    half = -(-side // _TEXTURE_PX)
    where = (np.arange(half) + 0.5) * _TEXTURE_PX * mpp
    bend, strand = (_waves(half, rng) for _ in range(2))
    along = np.cos(tissue.fibre_angle) * where[:, None] - np.sin(tissue.fibre_angle) * where[None, :]
    fibres = strand * np.sin((2 * np.pi / _FIBRE_UM) * along.astype(np.float32) + 4 * bend)
    grain = rng.standard_normal((half, half), dtype=np.float32)
    eosin, haze, strength = (_spread(tissue, table, where) for table in (_EOSIN_OD, _HAZE_OD, _FIBRES))
    eosin = eosin * (1 + strength * fibres + 0.08 * grain)
    haze = haze * (1 + 0.25 * grain)
    return _enlarge(haze, side), _enlarge(np.maximum(eosin, 0), side)


def _waves(side: int, rng: np.random.Generator) -> _Plane:
    """Draw a smooth field that changes over about sixty pixels."""
    coarse = rng.standard_normal((side // 32 + 2,) * 2).astype(np.float32)
    waves: _Plane = ndimage.zoom(coarse, 32, order=2, mode="grid-constant", grid_mode=True)[:side, :side]
    return waves


def _spread(tissue: Tissue, values: dict[str, float], where: Float) -> _Plane:
    """Return each region's value, with soft borders, at the given positions on both axes."""
    table = np.array([values[region] for region in REGIONS] + [0.0], dtype=np.float32)  # the last: off the tissue
    grid = ndimage.gaussian_filter(table[tissue.regions], 0.6)
    index = where / GRID_UM - 0.5
    low = np.clip(np.floor(index).astype(np.int64), 0, len(grid) - 2)
    part = np.clip(index - low, 0, 1).astype(np.float32)
    rows = grid[low] * (1 - part)[:, None] + grid[low + 1] * part[:, None]
    spread: _Plane = rows[:, low] * (1 - part) + rows[:, low + 1] * part
    return spread


def _enlarge(plane: _Plane, side: int) -> _Plane:
    return plane.repeat(_TEXTURE_PX, axis=0)[:side].repeat(_TEXTURE_PX, axis=1)[:, :side]


def _carve_fat(tissue: Tissue, eosin: _Plane, *, mpp: float, rng: np.random.Generator) -> _Plane:
    """Remove eosin from the fat droplets, except for thin rims."""
    is_fat = tissue.cell_types == [cell.name for cell in CELL_TYPES].index("adipocyte")
    radius = rng.uniform(*_VACUOLE_UM, size=int(is_fat.sum())) / mpp
    # The nucleus is at the rim of its droplet.
    angle = rng.uniform(0, 2 * np.pi, len(radius))
    centre = tissue.cell_xy_um[is_fat] / mpp + radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    inside = np.zeros_like(eosin)
    _stamp(inside, _Ellipses(xy=centre, long=radius, short=radius, angle=angle, value=np.ones_like(radius)), np.maximum)
    where = (np.arange(-(-len(eosin) // _TEXTURE_PX)) + 0.5) * _TEXTURE_PX * mpp
    inside *= _enlarge(_spread(tissue, _IS_FAT, where), len(eosin))
    rim = np.clip(1 - np.abs(inside - 0.3) / 0.25, 0, 1) * (inside > 0)
    carved: _Plane = eosin * (1 - np.clip(1.6 * inside, 0, 1)) + _VACUOLE_RIM_OD * rim
    return carved


def _paint_nuclei(tissue: Tissue, shape: tuple[int, ...], *, mpp: float, rng: np.random.Generator) -> _Plane:
    kinds = tissue.cell_types
    table = np.array([(cell.radius_um, cell.elongation, cell.haematoxylin) for cell in CELL_TYPES])
    radius, elongation, density = table[kinds].T
    radius = radius / mpp * np.exp(_SPREAD_SD * rng.standard_normal(len(kinds)))
    density = _NUCLEUS_OD * density * np.exp(_SPREAD_SD * rng.standard_normal(len(kinds)))
    is_fibroblast = kinds == [cell.name for cell in CELL_TYPES].index("fibroblast")
    angle = rng.uniform(0, np.pi, len(kinds))
    angle[is_fibroblast] = tissue.fibre_angle + 0.3 * rng.standard_normal(int(is_fibroblast.sum()))
    stretch = np.sqrt(elongation)
    nuclei = _Ellipses(
        xy=tissue.cell_xy_um / mpp, long=radius * stretch, short=radius / stretch, angle=angle, value=density
    )
    plane = np.zeros(shape, dtype=np.float32)
    _stamp(plane, nuclei, np.maximum)
    # Chromatin is coarse: the density varies within a nucleus.
    plane *= 1 + 0.12 * rng.standard_normal(shape, dtype=np.float32)
    return plane


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ellipses:
    """Centres (m, 2), half axes, angle of the long one and height (m,), in pixels and radians."""

    xy: Float
    long: Float
    short: Float
    angle: Float
    value: Float


def _stamp(plane: _Plane, shapes: _Ellipses, combine: np.ufunc) -> None:
    """Add soft-edged ellipses to a plane, in place; sorted by size so that small ones use small windows."""
    order = np.argsort(shapes.long, kind="stable")
    for start in range(0, len(order), _BATCH):
        _stamp_batch(plane, shapes, order[start : start + _BATCH], combine)


def _stamp_batch(plane: _Plane, shapes: _Ellipses, batch: npt.NDArray[np.int64], combine: np.ufunc) -> None:
    reach = int(np.ceil(shapes.long[batch].max())) + 1
    offset = np.arange(-reach, reach + 1)
    corner = np.rint(shapes.xy[batch]).astype(np.int64)
    x = corner[:, 0, None] + offset
    y = corner[:, 1, None] + offset
    dx = (x - shapes.xy[batch, 0, None]).astype(np.float32)[:, None, :]
    dy = (y - shapes.xy[batch, 1, None]).astype(np.float32)[:, :, None]
    cos, sin = (f(shapes.angle[batch]).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
    long, short, value = (
        part[batch].astype(np.float32)[:, None, None] for part in (shapes.long, shapes.short, shapes.value)
    )
    distance = ((dx * cos + dy * sin) / long) ** 2 + ((dy * cos - dx * sin) / short) ** 2
    height = value * np.clip(1.5 * (1.15 - distance), 0, 1)
    inside = (
        (height > 0) & ((x >= 0) & (x < plane.shape[1]))[:, None, :] & ((y >= 0) & (y < plane.shape[0]))[:, :, None]
    )
    place = (y[:, :, None] * plane.shape[1] + x[:, None, :])[inside]
    combine.at(plane.reshape(-1), place, height[inside])


def _scan(haematoxylin: _Plane, eosin: _Plane, patient: np.random.Generator, rng: np.random.Generator) -> UInt8:
    """Convert stain to light with a patient's staining strength, hue, sharpness, lamp and noise."""
    strength = np.exp(0.18 * patient.standard_normal(2))
    hues = np.array([_HAEMATOXYLIN, _EOSIN]) * np.exp(0.08 * patient.standard_normal((2, 3)))
    lamp = 255 * patient.uniform(0.93, 0.99, 3)
    blur_px = patient.uniform(0.4, 0.8)
    stains = [
        ndimage.gaussian_filter(plane, blur_px) * np.float32(s)
        for plane, s in zip((haematoxylin, eosin), strength, strict=True)
    ]
    image = np.empty((*haematoxylin.shape, 3), dtype=np.uint8)
    for channel in range(3):
        density = stains[0] * np.float32(hues[0, channel]) + stains[1] * np.float32(hues[1, channel])
        light = np.float32(lamp[channel]) * np.exp(-density)
        light += 1.5 * rng.standard_normal(light.shape, dtype=np.float32)
        image[..., channel] = np.clip(np.rint(light), 0, 255)
    return image
