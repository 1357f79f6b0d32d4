"""Write patches as a folder of PNG files, with their own stain or normalised to the reference stain.

File names are padded with zeros, so that their alphabetical order is the order of the patches and of the count rows.
"""

from pathlib import Path

from PIL import Image

from histobench_datasets.visium.macenko import Stains, fit_stains, normalise
from histobench_datasets.visium.patches import count_patches, read_patches
from histobench_datasets.visium.slide import WholeSlide
from histobench_datasets.visium.written import check_folder, replaced_folder

__all__ = ["check_patches", "dump_patches", "slide_stains"]

_OURS = r"patch_\d+\.png"
_LEVEL = 1  # stains are fitted on the second level of a slide, as published
_MARGIN = 0.1  # and on its central 80 % of width and height
_MOST_PIXELS = 1_000_000  # enough for a percentile; the densities of all pixels would take tens of gigabytes


def slide_stains(slide: WholeSlide, /) -> Stains:
    """Fit the stains of a slide on its central region.

    Raises
    ------
    DataError
        If hardly any pixel is stained.
    """
    return fit_stains(slide.sample(_LEVEL, _MARGIN, _MOST_PIXELS))


def check_patches(folder: Path, /) -> None:
    """Check that patches can be written to a folder.

    Raises
    ------
    ConfigError
        If the folder holds other files.
    """
    check_folder(folder, _OURS)


def dump_patches(images: Path, folder: Path, /, *, stains: Stains | None) -> int:
    """Write each patch of an HDF5 file to ``patch_<number>.png``, and return how many there are.

    The folder appears complete or not at all.

    Parameters
    ----------
    stains
        Of the slide, to normalise every patch to the reference stains; ``None`` writes the pixels as they are.

    Raises
    ------
    DataError
        If the file cannot be read.
    ConfigError
        If the folder holds other files.
    """
    n = count_patches(images)
    digits = len(str(n - 1))
    with replaced_folder(folder, _OURS) as new:
        for number, patch in enumerate(read_patches(images)):
            pixels = patch if stains is None else normalise(patch, stains)
            Image.fromarray(pixels).save(new / f"patch_{number:0{digits}d}.png", compress_level=0)
    return n
