"""Shifts of a slide's image, as between laboratories or scanners.

Kinds and strengths are fixed, so that robustness means the same for every method. The whole image is changed at full
resolution, spots move with it, and the measurement stays the same.

References
----------
Tellez et al. (2019), *Med. Image Anal.* 58:101544: stain, brightness, blur and scale as the variation that matters.
Ruifrok & Johnston (2001), *Anal. Quant. Cytol. Histol.* 23:291–299: the stains' optical densities.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image
from scipy import ndimage
from typing_extensions import override

from histobench.contracts.protocols import Dataset, SlideImage
from histobench.data import Float, Slide, SpotTable, UInt8

__all__ = ["PANEL", "HeldDataset", "Shift", "ShiftedDataset", "ShiftedImage"]

_ROWS_AT_ONCE = 1024  # a multiple of JPEG's blocks, so that strips are coded as the whole would be
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
# haematoxylin, eosin and what is left; rows of optical density in red, green, blue
_STAINS = _STAINS / np.linalg.norm(_STAINS, axis=1, keepdims=True)
_UNMIX = np.linalg.inv(_STAINS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One kind of change at one strength.

    Attributes
    ----------
    kind
        ``stain``: haematoxylin's density times 1 + strength, eosin's times 1 - strength. ``brightness``: pixels times
        the strength. ``blur``: Gaussian of this standard deviation in pixels. ``jpeg``: coded again at this quality.
        ``scale``: magnified by this factor, unknown to the method. ``rotation``: turned by so many degrees, a multiple
        of 90.
    """

    kind: str
    strength: float

    def __str__(self) -> str:
        """Return its name: ``blur 2``."""
        return f"{self.kind} {self.strength:g}"

    def pixels(self, image: UInt8, /) -> UInt8:
        """Apply it to an (h, w, 3) uint8 RGB image; the result may have another size."""
        changed = _CHANGES[self.kind](image, self.strength)
        return np.ascontiguousarray(changed)

    def places(self, xy_px: Float, /, *, width: int, height: int) -> Float:
        """Move (n, 2) positions with the image, which had ``width`` × ``height`` pixels."""
        if self.kind == "scale":
            return xy_px * np.float32(self.strength)
        moved = xy_px
        turns = int(self.strength // 90) % 4 if self.kind == "rotation" else 0
        for _ in range(turns):
            moved, width, height = np.stack([moved[:, 1], width - moved[:, 0]], axis=1), height, width
        return moved


def _in_strips(change: Callable[[UInt8], UInt8], image: UInt8) -> UInt8:
    """Apply a change of single pixels or blocks in strips, because float copies of a whole slide do not fit memory."""
    strips = [change(image[top : top + _ROWS_AT_ONCE]) for top in range(0, len(image), _ROWS_AT_ONCE)]
    joined: UInt8 = np.concatenate(strips)
    return joined


def _stain(image: UInt8, strength: float) -> UInt8:
    factors = np.array([1 + strength, 1 - strength, 1.0])
    mixing = _UNMIX @ np.diag(factors) @ _STAINS

    def change(strip: UInt8) -> UInt8:
        density = -np.log((strip.astype(np.float32) + 1) / 256)
        return _to_bytes(256 * np.exp(-density @ mixing.astype(np.float32)) - 1)

    return _in_strips(change, image)


def _brightness(image: UInt8, strength: float) -> UInt8:
    return _in_strips(lambda strip: _to_bytes(strip * np.float32(strength)), image)


def _blur(image: UInt8, strength: float) -> UInt8:
    blurred: UInt8 = ndimage.gaussian_filter(image, sigma=(strength, strength, 0), mode="nearest")
    return blurred


def _jpeg(image: UInt8, strength: float) -> UInt8:
    def change(strip: UInt8) -> UInt8:
        coded = io.BytesIO()
        Image.fromarray(strip).save(coded, "JPEG", quality=int(strength))
        with Image.open(coded) as decoded:
            return np.asarray(decoded.convert("RGB"), dtype=np.uint8)

    return _in_strips(change, image)


def _scale(image: UInt8, strength: float) -> UInt8:
    height, width = image.shape[:2]
    size = (round(width * strength), round(height * strength))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR), dtype=np.uint8)


def _rotation(image: UInt8, strength: float) -> UInt8:
    turned: UInt8 = np.rot90(image, k=int(strength // 90))
    return turned


def _to_bytes(values: Float) -> UInt8:
    rounded: UInt8 = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


_CHANGES: Mapping[str, Callable[[UInt8, float], UInt8]] = {
    "stain": _stain,
    "brightness": _brightness,
    "blur": _blur,
    "jpeg": _jpeg,
    "scale": _scale,
    "rotation": _rotation,
}

_STRENGTHS: Mapping[str, Sequence[float]] = {
    "stain": (-0.2, 0.1, 0.2, 0.4),
    "brightness": (0.8, 0.9, 1.1),
    "blur": (1, 2, 4),
    "jpeg": (70, 40, 15),
    "scale": (0.8, 1.25),
    "rotation": (90, 180, 270),
}

PANEL = tuple(Shift(kind=kind, strength=strength) for kind, strengths in _STRENGTHS.items() for strength in strengths)
"""All shifts of the robustness panel."""


@dataclass(frozen=True, slots=True)
class ShiftedImage:
    """A slide's image under a shift; implements ``SlideImage``."""

    image: SlideImage
    shift: Shift

    def content_hash(self) -> str:
        """Return the image's hash with the name of the shift."""
        return f"{self.image.content_hash()} {self.shift}"

    def read(self) -> UInt8:
        """Decode the image and change it."""
        return self.shift.pixels(self.image.read())


class _Wrapped:
    """A dataset that forwards to another; implements ``Dataset``."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def slides(self, target: str) -> Sequence[Slide]:
        """List the dataset's slides."""
        return self._dataset.slides(target)

    def left_out(self, target: str) -> Mapping[str, str]:
        """Return what the dataset leaves out."""
        return self._dataset.left_out(target)

    def notes(self, slide: Slide, target: str) -> Sequence[str]:
        """Return the dataset's notes."""
        return self._dataset.notes(slide, target)

    def fingerprint(self, slide: Slide, target: str) -> str:
        """Return the dataset's fingerprint: the measurement does not change."""
        return self._dataset.fingerprint(slide, target)

    def image(self, slide: Slide) -> SlideImage:
        """Open the dataset's image."""
        return self._dataset.image(slide)

    def table(self, slide: Slide, target: str) -> SpotTable:
        """Read the dataset's table."""
        return self._dataset.table(slide, target)


class HeldDataset(_Wrapped):
    """A dataset that keeps the decoded image of the last slide, for repeated use of one slide."""

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(dataset)
        self._last: tuple[str, SlideImage] | None = None

    @override
    def image(self, slide: Slide) -> SlideImage:
        if self._last is None or self._last[0] != slide.id:
            self._last = (slide.id, _HeldImage(self._dataset.image(slide)))
        return self._last[1]


class _HeldImage:
    def __init__(self, image: SlideImage) -> None:
        self._image = image
        self._pixels: UInt8 | None = None

    def content_hash(self) -> str:
        """Return the image's hash."""
        return self._image.content_hash()

    def read(self) -> UInt8:
        """Decode the image on the first call."""
        if self._pixels is None:
            self._pixels = self._image.read()
        return self._pixels


class ShiftedDataset(_Wrapped):
    """A dataset with all images under one shift."""

    def __init__(self, dataset: Dataset, shift: Shift) -> None:
        super().__init__(dataset)
        self._shift = shift

    @override
    def image(self, slide: Slide) -> SlideImage:
        return ShiftedImage(self._dataset.image(slide), self._shift)

    @override
    def table(self, slide: Slide, target: str) -> SpotTable:
        table = self._dataset.table(slide, target)
        if self._shift.kind not in ("scale", "rotation"):
            return table
        height, width = self._dataset.image(slide).read().shape[:2]
        return replace(table, xy_px=self._shift.places(table.xy_px, width=width, height=height))
