"""A stream of randomness of every spot's own, so that what is drawn for it does not depend on its company."""

import hashlib
from collections.abc import Iterator

import numpy as np

from histobench import Samples
from histobench.training import generator

__all__ = ["spot_streams"]


def spot_streams(samples: Samples, seed: int) -> Iterator[np.random.Generator]:
    """Yield a generator for each spot, seeded by the seed and the names of slide and spot."""
    for slide, spot in zip(samples.slide_ids, samples.spot_ids, strict=True):
        name = hashlib.sha256(f"{slide}/{spot}".encode()).digest()
        yield generator(seed, *(int(word) for word in np.frombuffer(name, dtype=np.uint32)))
