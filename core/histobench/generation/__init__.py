"""Patches drawn on demand by a finished job's method: the prompts, and the images that are written."""

from histobench.generation.images import Manifest, write_images
from histobench.generation.prompts import Prompts, between, from_counts, from_rows, read_matrix

__all__ = ["Manifest", "Prompts", "between", "from_counts", "from_rows", "read_matrix", "write_images"]
