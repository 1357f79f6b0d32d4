"""Colour statistics of a patch: the baseline that a learned encoder must beat.

For each of red, green, blue, haematoxylin, eosin and DAB: mean, deviation and a histogram of eight bins.

References
----------
Ruifrok & Johnston (2001), *Anal. Quant. Cytol. Histol.* 23:291–299: the stain channels, as ``skimage.color.rgb2hed``
computes them.
"""

import hashlib
import json

import numpy as np
from skimage.color import rgb2hed

from histobench import Float, PatchGeometry, UInt8

__all__ = ["BINS", "CHANNELS", "UPPER", "ColourStats"]

CHANNELS = ("red", "green", "blue", "haematoxylin", "eosin", "dab")
"""Channels in the order of the embedding."""

UPPER = (1.0, 1.0, 1.0, 0.32, 0.064, 0.064)
"""Upper end of each channel's histogram; all begin at 0, and larger values are counted in the last bin.

Fixed, so that the embedding of a patch does not depend on other patches. Light is in [0, 1]; stain density is in units
of ln(1e6), as in scikit-image. On five sections of her2st 99 % of the pixels are below 0.28, 0.024 and 0.041.
"""

BINS = 8
"""Number of bins of equal width; each holds a share of the pixels of the patch."""

_RECIPE = 1
_BATCH = 32


class ColourStats:
    """Means, deviations and histograms of colour: (n, 60), channel by channel, each (mean, deviation, 8 shares)."""

    def __init__(self, geometry: PatchGeometry | None = None) -> None:
        self.geometry = geometry or PatchGeometry()

    @property
    def dim(self) -> int:
        """Width of the embedding."""
        return len(CHANNELS) * (2 + BINS)

    @property
    def identity(self) -> str:
        """Hash of the order, ranges and bins of the channels."""
        return hashlib.sha256(json.dumps(["colour-stats", _RECIPE, CHANNELS, UPPER, BINS]).encode()).hexdigest()

    def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:  # noqa: ARG002 -- always on the CPU
        """Embed (n, h, w, 3) uint8 RGB patches as (n, 60) float32."""
        embeddings = np.empty((len(patches), self.dim), dtype=np.float32)
        for start in range(0, len(patches), _BATCH):
            embeddings[start : start + _BATCH] = _describe(patches[start : start + _BATCH])
        return embeddings


def _describe(patches: UInt8) -> Float:
    n, n_channels = len(patches), len(CHANNELS)
    channels = np.concatenate([patches / 255, rgb2hed(patches)], axis=-1).reshape(n, -1, n_channels)
    shares = _histograms(channels)
    described = np.concatenate([channels.mean(axis=1)[..., None], channels.std(axis=1)[..., None], shares], axis=-1)
    flat: Float = described.reshape(n, -1)
    return flat


def _histograms(channels: Float) -> Float:
    """Return the share of the pixels (n, pixels, channels) in each bin (n, channels, bins)."""
    n, n_pixels, n_channels = channels.shape
    bins = np.clip(channels / np.array(UPPER) * BINS, 0, BINS - 1).astype(np.int64)
    # one bin number for each patch, channel and bin, so that all are counted at once
    first = np.arange(n)[:, None, None] * n_channels * BINS + np.arange(n_channels) * BINS
    counts = np.bincount((first + bins).ravel(), minlength=n * n_channels * BINS)
    shares: Float = counts.reshape(n, n_channels, BINS) / n_pixels
    return shares
