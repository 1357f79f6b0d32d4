"""Where tissue is on a slide, and patches chosen from it at random: the reference of image-quality metrics.

Contours come from a GeoJSON file in full-resolution pixels, as HEST writes them, or from a segmentation by saturation,
which needs no weights. Needs shapely.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely
import shapely.geometry
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import find_contours
from skimage.morphology import closing, disk, opening

from histobench import DataError, Float, Int
from histobench_datasets.visium.slide import WholeSlide

__all__ = ["Sampling", "random_corners", "read_contours", "segment_tissue"]

_THUMBNAIL_PIXELS = 250_000
_BLUR = 0.005  # share of the thumbnail's side: between nuclei, tissue is as pale as glass
_LEAST_SHARE = 1e-3  # of the thumbnail; smaller regions are dust
_LEAST_TRIES, _TRIES_PER_PATCH = 20_000, 200
_AT_ONCE = 50_000

_GEOJSON_ERRORS = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError),
    shapely.errors.ShapelyError,
)

Place = Literal["corner", "centre"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How random patches are placed."""

    n: int = 50_000
    seed: int = 0
    by: Place = "corner"  # the point that is uniform over the tissue: a patch's first corner, as published, or centre


def read_contours(path: Path, slide: WholeSlide, /) -> shapely.Geometry:
    """Read the polygons of a GeoJSON file and return their union, cut to the slide.

    Raises
    ------
    DataError
        If the file is missing or not a GeoJSON of polygons, or a polygon is outside the slide.
    """
    try:
        read = json.loads(path.read_text(encoding="utf-8-sig"))
        features = read["features"] if read["type"] == "FeatureCollection" else [read]
        with np.errstate(invalid="ignore", over="ignore"):  # make_valid refuses what is not finite
            drawn = [shapely.geometry.shape(feature.get("geometry", feature)) for feature in features]
            shapes = [shapely.make_valid(shape) for shape in drawn]
    except FileNotFoundError as error:
        raise DataError(f"file of contours '{path}' does not exist.") from error
    except _GEOJSON_ERRORS as error:
        raise DataError(f"'{path}' is not GeoJSON ({type(error).__name__}: {error}).") from error
    parts = [part for shape in shapes for part in shapely.get_parts(shape)]
    polygons = [part for part in parts if part.geom_type.endswith("Polygon") and not part.is_empty]
    if not polygons:
        raise DataError(f"'{path}' has no polygon.")
    image = shapely.box(0, 0, slide.width, slide.height)
    for number, polygon in enumerate(polygons):
        if not polygon.intersects(image):
            raise DataError(
                f"'{path}': polygon {number} spans {[round(x) for x in polygon.bounds]}, outside '{slide.name}' of "
                f"{slide.width} x {slide.height} pixels: contours must be in full-resolution pixels of this slide."
            )
    return shapely.union_all(polygons).intersection(image)


def segment_tissue(slide: WholeSlide, /) -> shapely.Geometry:
    """Find tissue by its colour: blurred saturation above Otsu's threshold, closed, opened, and without dust.

    Raises
    ------
    DataError
        If no tissue is found.
    """
    last = len(slide.regions.downsamples()) - 1
    level = next((at for at in range(last, 0, -1) if _pixels(slide, at) >= _THUMBNAIL_PIXELS), 0)
    thumbnail = slide.sample(level, 0.0, _THUMBNAIL_PIXELS).astype(np.float32)
    brightest = thumbnail.max(axis=2)
    saturation = 1 - thumbnail.min(axis=2) / np.maximum(brightest, 1)  # HSV
    outlines = shapely.Polygon()
    if np.ptp(saturation) > 0:
        saturation = gaussian(saturation, _BLUR * float(np.sqrt(saturation.size)))
        footprint = disk(3)
        mask = opening(closing(saturation > threshold_otsu(saturation), footprint), footprint)
        outlines = _outlines(mask, np.array([slide.width, slide.height]) / mask.shape[::-1])
    if outlines.is_empty:
        raise DataError(f"no tissue was found on '{slide.name}': give contours (--tissue-seg-file).")
    return outlines.intersection(shapely.box(0, 0, slide.width, slide.height))


def random_corners(tissue: shapely.Geometry, side: int, sampling: Sampling, /) -> Int:
    """Choose squares that are completely inside tissue.

    Parameters
    ----------
    tissue
        Polygons in full-resolution pixels; each square is inside one of them and covers no hole.
    side
        Of the squares, in full-resolution pixels.

    Returns
    -------
    (n, 2) int
        First pixel of each, x first; the same for the same seed.

    Raises
    ------
    DataError
        If too few squares fit.
    """
    parts = shapely.get_parts(tissue)
    polygons = parts[(shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & ~shapely.is_empty(parts)]
    shapely.prepare(polygons)
    bounds = shapely.bounds(polygons)
    extents = bounds[:, 2:] - bounds[:, :2]
    # polygons do not overlap: choosing one by the area of its frame, then a point in the frame, is uniform over all
    frames = extents.prod(axis=1)
    random = np.random.default_rng(sampling.seed)
    found: list[Int] = []
    n_found, tries, most = 0, 0, max(_LEAST_TRIES, _TRIES_PER_PATCH * sampling.n)
    while n_found < sampling.n and tries < most and len(polygons):
        chosen = random.choice(len(polygons), size=min(_AT_ONCE, 4 * sampling.n), p=frames / frames.sum())
        points = bounds[chosen, :2] + random.random((len(chosen), 2)) * extents[chosen]
        fit = _fitting(polygons[chosen], points, side=side, by=sampling.by)
        found.append(fit)
        n_found, tries = n_found + len(fit), tries + len(chosen)
    if n_found < sampling.n:
        raise DataError(
            f"only {n_found} of {sampling.n} patches of {side} pixels were found inside tissue in {tries} tries: "
            "is the tissue smaller than a patch? Ask for fewer or smaller patches."
        )
    return np.concatenate(found)[: sampling.n]


def _fitting(polygons: Any, points: Float, *, side: int, by: Place) -> Int:  # Any: an array of shapely's polygons
    """Return the corners of the squares at (n, 2) points of which point and square are inside the point's polygon."""
    inside = shapely.contains_xy(polygons, *points.T)
    corners = np.floor(points[inside] - (side / 2 if by == "centre" else 0)).astype(np.int64)
    left, top = corners.T
    return np.asarray(corners[shapely.covers(polygons[inside], shapely.box(left, top, left + side, top + side))])


def _outlines(mask: "np.ndarray[Any, np.dtype[np.bool_]]", per_pixel: Float) -> shapely.Geometry:
    """Draw the regions of an (h, w) mask, with their holes, as polygons in full-resolution pixels."""
    least = _LEAST_SHARE * mask.size
    rings = find_contours(np.pad(mask, 1).astype(np.float32), 0.5)
    # contours pass through the pixel centres of the padded mask, half a pixel right of and below where pixels begin
    polygons = [shapely.make_valid(shapely.Polygon((ring[:, ::-1] - 0.5) * per_pixel)) for ring in rings]
    outlines = shapely.Polygon()
    for polygon in sorted(polygons, key=lambda drawn: -drawn.area):
        if polygon.area >= least * per_pixel.prod():  # a ring inside a ring is a hole, a ring inside a hole an island
            outlines = outlines.symmetric_difference(polygon)
    return outlines


def _pixels(slide: WholeSlide, level: int) -> float:
    return slide.width * slide.height / float(slide.regions.downsamples()[level]) ** 2
