"""From a slide's image to its patches and their embeddings, each made once and kept in the cache.

Both are kept in HEST's layout (HDF5: ``img``, ``coords``, ``barcode``; ``embeddings``, ``coords``, ``barcodes``),
uncompressed and contiguous, so that any rows of them are read from a memory map without touching the rest. What
decides an embedding stands in `PatchKey` and `EmbeddingKey` and nowhere else.

References
----------
Jaume et al. (2024), HEST-1k, *NeurIPS*: the layout of the files.
"""

from histobench.images.embedding.compute import BatchSize, Compute, Embedder, FrozenNetwork
from histobench.images.embedding.keys import EmbeddingKey, PatchKey
from histobench.images.embedding.patches import PATCHES, PatchStack, StoredPatches, slide_patches
from histobench.images.embedding.slides import EMBEDDINGS, check_resolution, has_embeddings, slide_embeddings

__all__ = [
    "EMBEDDINGS",
    "PATCHES",
    "BatchSize",
    "Compute",
    "Embedder",
    "EmbeddingKey",
    "FrozenNetwork",
    "PatchKey",
    "PatchStack",
    "StoredPatches",
    "check_resolution",
    "has_embeddings",
    "slide_embeddings",
    "slide_patches",
]
