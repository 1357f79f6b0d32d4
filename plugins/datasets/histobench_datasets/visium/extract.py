"""``histobench prepare extract``: patches and counts of a sample, in the same order."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from histobench import ConfigError
from histobench_datasets.visium.h5ad import read_centres, read_counts, write_counts
from histobench_datasets.visium.patches import (
    NOTHING_DROPPED,
    PatchField,
    corners_around,
    cut_patches,
    write_patches,
)
from histobench_datasets.visium.slide import WholeSlide
from histobench_datasets.visium.space_ranger import input_files, read_scale_factors
from histobench_datasets.visium.spots import (
    SpotRules,
    Spots,
    read_coordinates,
    read_pseudo_spots,
    read_spots,
    spot_mpp,
    write_coordinates,
)
from histobench_datasets.visium.vocabulary import Missing, find_columns
from histobench_datasets.visium.written import keep_inputs, replaced_file

__all__ = ["COUNTS", "IMAGES", "Cutting", "Extracted", "Source", "extract"]

IMAGES, COUNTS = "imgs.h5", "gex.h5ad"
"""Files that are written into a sample's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where spots come from: Space Ranger's folder, or a file of places (``.h5ad``, or ``.h5`` with corners).

    Parameters
    ----------
    genes
        Genes that a later step selects. They are looked up first, so that patches are not cut in vain if genes are
        missing and ``missing`` is ``"error"``.
    """

    path: Path
    kind: Literal["visium", "visium-hd", "places"]
    rules: SpotRules = field(default_factory=SpotRules)
    genes: tuple[str, ...] = ()
    missing: Missing = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutting:
    """How patches are cut and which are kept; defaults are those of the published preprocessing."""

    patch_px: int = 128
    use_slide_mpp: bool = False
    antialias: bool = False
    brightest: float = NOTHING_DROPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """How many patches were written, how many were dropped as glass, and the scale at which they were cut."""

    n: int
    n_dropped: int
    mpp: float
    slide_px: int


def extract(
    source: Source, slide: WholeSlide, out: Path, /, *, cutting: Cutting, coordinates: Path | None = None
) -> Extracted:
    """Write ``imgs.h5`` and, if there are counts, ``gex.h5ad`` with the same rows; all files or none.

    Parameters
    ----------
    coordinates
        File to which the places of the patches are written as well.

    Raises
    ------
    DataError
        If a file is missing, damaged or does not fit the others.
    ConfigError
        If microns per pixel are unknown, the folder holds counts of an earlier run but the new patches have none, or an
        input would be overwritten.
    """
    _check_outputs(source, slide, out, coordinates)
    mpp = _mpp(source, slide, cutting)
    cut = PatchField.of(patch_um=source.rules.patch_um, patch_px=cutting.patch_px, mpp=mpp, antialias=cutting.antialias)
    spots = _read(source, with_members=coordinates is not None)
    if spots.counts is not None and source.genes:
        find_columns(spots.counts.genes, source.genes, missing=source.missing)
    if spots.counts is None and (out / COUNTS).exists():
        raise ConfigError(
            f"'{out}' holds counts ('{COUNTS}') that do not belong to these patches: name another folder."
        )
    corners = spots.xy_px.astype(int) if spots.are_corners else corners_around(spots.xy_px, cut, slide)
    with replaced_file(out / IMAGES) as images:
        kept = write_patches(
            images,
            cut_patches(slide, corners, cut),
            patch_px=cutting.patch_px,
            barcodes=spots.barcodes,
            brightest=cutting.brightest,
        )
        written = spots.rows(kept)
        if coordinates is not None:
            with replaced_file(coordinates) as places:
                write_coordinates(places, written, corners[kept])
        if written.counts is not None:
            with replaced_file(out / COUNTS) as counts:
                write_counts(counts, written.counts)
    return Extracted(n=len(kept), n_dropped=len(spots.barcodes) - len(kept), mpp=mpp, slide_px=cut.slide_px)


def _check_outputs(source: Source, slide: WholeSlide, out: Path, coordinates: Path | None) -> None:
    if coordinates is not None and coordinates.suffix not in (".h5", ".hdf5"):
        raise ConfigError(f"the file of coordinates must end in .h5, got '{coordinates.name}'.")
    read = [source.path] if source.kind == "places" else input_files(source.path)
    keep_inputs([out / IMAGES, out / COUNTS, coordinates], [Path(slide.name), *read])


def _mpp(source: Source, slide: WholeSlide, cutting: Cutting) -> float:
    """Return microns per pixel: from the slide if requested or if only places are known, else from Space Ranger."""
    if source.kind != "places" and not cutting.use_slide_mpp:
        scales = read_scale_factors(source.path / "spatial")
        return spot_mpp(scales, is_hd=source.kind == "visium-hd", spot_diameter_um=source.rules.spot_diameter_um)
    if slide.mpp is None:
        raise ConfigError(f"'{slide.name}' does not state its microns per pixel: give them with --mpp.")
    return slide.mpp


def _read(source: Source, *, with_members: bool) -> Spots:
    if source.kind == "visium-hd":
        return read_pseudo_spots(source.path, source.rules, with_members=with_members)
    if source.kind == "visium":
        return read_spots(source.path)
    if source.path.suffix == ".h5ad":
        counts = read_counts(source.path)
        return Spots(barcodes=counts.barcodes, xy_px=read_centres(source.path), counts=counts)
    return read_coordinates(source.path)
