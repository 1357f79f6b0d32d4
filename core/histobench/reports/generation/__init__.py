"""Patches drawn on demand by a finished job's method: prompts, and writing the images."""

from histobench.reports.generation.folders import Manifest, check_folder
from histobench.reports.generation.images import write_images
from histobench.reports.generation.prompts import Prompts, between, count_genes, from_counts, from_rows, read_matrix

__all__ = [
    "Manifest",
    "Prompts",
    "between",
    "check_folder",
    "count_genes",
    "from_counts",
    "from_rows",
    "read_matrix",
    "write_images",
]
