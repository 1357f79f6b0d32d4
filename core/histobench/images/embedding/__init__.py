"""Patches and embeddings of slides, computed once and kept in the cache.

Both are stored in HEST's layout (HDF5: ``img``, ``coords``, ``barcode``; ``embeddings``, ``coords``, ``barcodes``),
uncompressed and contiguous, so that single rows are read through a memory map. `PatchKey` and `EmbeddingKey` hold
everything that decides an embedding.

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
