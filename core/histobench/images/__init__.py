"""Slide images: opening them, finding damaged ones early, and cutting patches around spots.

Pixels are used as stored, without colour management or EXIF rotation, because the spots' positions refer to the stored
pixels. Patches are RGB values ``0 … 255``; the encoder normalises them.
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
