"""Answers that are not a table of targets, and what evaluation needs in addition to a table."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from histobench.data._checks import check_rows, check_shape
from histobench.data.types import Float, UInt8
from histobench.errors import ShapeError

__all__ = ["Generated", "Hidden", "ImageFeatures", "Pairing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """The answer of a method for the task ``retrieve``: two vectors per spot in one space.

    Attributes
    ----------
    image, expression
        (n, d) float32 vectors of the spot's image and of its expression; compared by their cosine.
    """

    image: Float
    expression: Float

    def __post_init__(self) -> None:
        """Refuse anything but two finite (n, d) tables of the same shape."""
        _check_vectors(self, self.image, self.expression)

    def __len__(self) -> int:
        """Return the number of spots."""
        return len(self.image)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """The answer of a method for the task ``generate``: one patch per spot.

    Attributes
    ----------
    images
        (n, h, w, 3) uint8 RGB, drawn for the expression of each spot.
    image, expression
        (n, d) float32 vectors of the patch and of its prompt in the method's own space; ``None`` if it has none.
    """

    images: UInt8
    image: Float | None = None
    expression: Float | None = None

    def __post_init__(self) -> None:
        """Refuse anything but n RGB images, and vectors of another number of spots."""
        images = self.images
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            found = f"{images.shape} {images.dtype}" if isinstance(images, np.ndarray) else type(images).__name__
            raise ShapeError(f"generated images must be (n, h, w, 3) uint8, got {found}.")
        if (self.image is None) != (self.expression is None):
            raise ShapeError("vectors of generated patches need those of their prompts, and the reverse.")
        if self.image is not None and self.expression is not None:
            _check_vectors(self, self.image, self.expression)
            check_rows("vectors of the generated patches", self.image, len(images))

    def __len__(self) -> int:
        """Return the number of spots."""
        return len(self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """The data that were hidden from an enhancing method.

    Attributes
    ----------
    depth
        (n,) number of held-out molecules of each spot.
    truth
        (n, t) float32 ln(1 + counts per 10,000) of all counts.
    masked
        (n, t) bool, True where the method was given zero instead of the count.
    oracle
        (n, t) float32 expression that the counts were drawn from, if known.
    """

    depth: Float
    truth: Float
    masked: npt.NDArray[np.bool_]
    oracle: Float | None = None

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        check_shape("depth", self.depth, (len(self.truth),))
        check_shape("masked", self.masked, self.truth.shape)
        if self.oracle is not None:
            check_shape("oracle", self.oracle, self.truth.shape)

    def take(self, columns: slice) -> Self:
        """Return some of the targets."""
        oracle = None if self.oracle is None else self.oracle[:, columns]
        return replace(self, truth=self.truth[:, columns], masked=self.masked[:, columns], oracle=oracle)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFeatures:
    """Features of generated patches and of the real patches of the same spots, from the judging encoder.

    Attributes
    ----------
    generated, real
        (n, d) float32 features.
    read_real
        (n, t) float32 expression that the reader predicts from the real patches.
    nearest_generated, nearest_real
        (n,) float32 distance of each patch to the nearest training patch, in standard deviations of the features.
    images, patches
        (n, h, w, 3) uint8, generated and real, in the size at which they are judged.
    image, expression
        (n, k) float32 vectors in the method's own space (`histobench.Generated`), or ``None``.
    real_image
        (n, k) float32 vectors of the real patches in that space (`histobench.Viewer`), or ``None``.
    """

    generated: Float
    real: Float
    read_real: Float
    nearest_generated: Float
    nearest_real: Float
    images: UInt8
    patches: UInt8
    image: Float | None = None
    expression: Float | None = None
    real_image: Float | None = None

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        n = len(self.generated)
        if self.real_image is not None and self.expression is not None:
            _check_vectors(self, self.real_image, self.expression, names=("real_image", "expression"))
        check_shape("features of the real patches", self.real, self.generated.shape)
        for name in ("nearest_generated", "nearest_real"):
            check_shape(name, getattr(self, name), (n,))
        for name in ("read_real", "images", "patches"):
            check_rows(name, getattr(self, name), n)

    def take(self, columns: slice) -> Self:
        """Return some of the targets."""
        return replace(self, read_real=self.read_real[:, columns])


def _check_vectors(
    holder: Pairing | Generated | ImageFeatures,
    image: Float,
    expression: Float,
    *,
    names: tuple[str, str] = ("image", "expression"),
) -> None:
    """Refuse vectors that are not two finite (n, d) tables; they are kept as float32."""
    for name, values in zip(names, (image, expression), strict=True):
        if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.ndim != 2:
            found = f"{values.shape} {values.dtype}" if isinstance(values, np.ndarray) else type(values).__name__
            raise ShapeError(f"{name} vectors must be (n, d) real floats, got {found}.")
        if not np.isfinite(values).all():
            raise ShapeError(f"{name} vectors must be finite.")
        object.__setattr__(holder, name, values.astype(np.float32, copy=False))
    check_shape(f"{names[0]} vectors", image, expression.shape)
