"""Patches as a folder of PNG files, in their stain or the reference's.

File names are padded with zeros, so that their alphabetical order is the order of the patches and of the counts' rows.
"""

from pathlib import Path

from PIL import Image

from histobench_datasets.visium.macenko import Stains, fit_stains, normalise
from histobench_datasets.visium.patches import count_patches, read_patches
from histobench_datasets.visium.slide import WholeSlide
from histobench_datasets.visium.written import check_folder, replaced_folder

__all__ = ["check_patches", "dump_patches", "slide_stains"]

_OURS = r"patch_\d+\.png"
_LEVEL = 1  # stains are read from the second level of a slide, as published
_MARGIN = 0.1  # and from its middle: eight tenths of width and height
_MOST_PIXELS = 1_000_000  # enough for a percentile; all of a slide's would be tens of gigabytes of densities


def slide_stains(slide: WholeSlide, /) -> Stains:
    """Find the stains of a slide in its middle.

    Raises
    ------
    DataError
        If hardly anything is stained.
    """
    return fit_stains(slide.sample(_LEVEL, _MARGIN, _MOST_PIXELS))


def check_patches(folder: Path, /) -> None:
    """Say early that a folder is not one to dump patches to.

    Raises
    ------
    ConfigError
        If it holds other files.
    """
    check_folder(folder, _OURS)


def dump_patches(images: Path, folder: Path, /, *, stains: Stains | None) -> int:
    """Write each patch of an HDF5 file to ``patch_<number>.png``; the folder appears complete or not at all.

    Parameters
    ----------
    stains
        The slide's, to show every patch in the reference's; ``None`` writes pixels as they are.

    Raises
    ------
    DataError
        If the file cannot be read.
    ConfigError
        If the folder holds other files.
    """
    n = count_patches(images)
    digits = len(str(n - 1))
    with replaced_folder(folder, _OURS) as beside:
        for number, patch in enumerate(read_patches(images)):
            shown = patch if stains is None else normalise(patch, stains)
            Image.fromarray(shown).save(beside / f"patch_{number:0{digits}d}.png", compress_level=0)
    return n
