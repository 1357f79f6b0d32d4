"""Slide images: opening them, telling early when one is damaged, and cutting patches around spots.

Pixels are taken as they lie in the file: no colour management, no EXIF rotation, because the spots' positions refer
to the stored pixels. Patches are numbers ``0 … 255`` in RGB; what a model makes of them is the encoder's business.
"""

from histobench.images.cutting import UPSAMPLING_TOLERANCE, cut_patches, is_upsampled, resize
from histobench.images.files import MAX_PIXELS, ArrayImage, FileImage, check_image
from histobench.images.pyramids import LeveledImage, TiffPyramid, cut_regions, open_image, patch_cutter

__all__ = [
    "MAX_PIXELS",
    "UPSAMPLING_TOLERANCE",
    "ArrayImage",
    "FileImage",
    "LeveledImage",
    "TiffPyramid",
    "check_image",
    "cut_patches",
    "cut_regions",
    "is_upsampled",
    "open_image",
    "patch_cutter",
    "resize",
]
