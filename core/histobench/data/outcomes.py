"""What methods return where a table of targets is not the answer, and what tasks know beside one."""

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
    """What a method says of each spot where it is asked to ``retrieve``: two places in one space.

    Attributes
    ----------
    image, expression
        (n, d) float32, of the spot's image and of its expression; compared by their cosine.
    """

    image: Float
    expression: Float

    def __post_init__(self) -> None:
        """Refuse anything but two finite (n, d) tables of one shape."""
        _check_vectors(self, self.image, self.expression)

    def __len__(self) -> int:
        """Count the spots."""
        return len(self.image)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """The patches that a method draws where it is asked to ``generate``.

    Attributes
    ----------
    images
        (n, h, w, 3) uint8 RGB, one for the expression of each spot.
    image, expression
        (n, d) float32 places of the patch drawn and of its prompt in a space of the method's own; ``None`` if it has
        none.
    """

    images: UInt8
    image: Float | None = None
    expression: Float | None = None

    def __post_init__(self) -> None:
        """Refuse anything but n square RGB images, and vectors of other spots."""
        images = self.images
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            found = f"{images.shape} {images.dtype}" if isinstance(images, np.ndarray) else type(images).__name__
            raise ShapeError(f"generated images must be (n, h, w, 3) uint8, got {found}.")
        if (self.image is None) != (self.expression is None):
            raise ShapeError("vectors of generated patches come with those of their prompts, or not at all.")
        if self.image is not None and self.expression is not None:
            _check_vectors(self, self.image, self.expression)
            check_rows("vectors of the generated patches", self.image, len(images))

    def __len__(self) -> int:
        """Count the spots."""
        return len(self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """What was kept from a method that enhances.

    Attributes
    ----------
    depth
        (n,) molecules in the part of the spot's counts that was held out.
    truth
        (n, t) float32 ln(1 + counts per 10,000) of the whole counts.
    masked
        (n, t) bool, True where the method was given zero whatever was counted.
    oracle
        (n, t) float32 the expression that the counts were drawn from, where that is known.
    """

    depth: Float
    truth: Float
    masked: npt.NDArray[np.bool_]
    oracle: Float | None = None

    def __post_init__(self) -> None:
        """Refuse columns of different length."""
        check_shape("depth", self.depth, (len(self.truth),))
        check_shape("masked", self.masked, self.truth.shape)
        if self.oracle is not None:
            check_shape("oracle", self.oracle, self.truth.shape)

    def take(self, columns: slice) -> Self:
        """Keep some of the targets."""
        oracle = None if self.oracle is None else self.oracle[:, columns]
        return replace(self, truth=self.truth[:, columns], masked=self.masked[:, columns], oracle=oracle)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFeatures:
    """Generated patches and the real ones of the same spots, as the judging encoder sees them.

    Attributes
    ----------
    generated, real
        (n, d) float32 features.
    read_real
        (n, t) float32 expression that the reader sees in the real patches of the same spots.
    nearest_generated, nearest_real
        (n,) float32 distance of each patch to the nearest training patch, in standard deviations of the features.
    images, patches
        (n, h, w, 3) uint8, generated and real, both of the size that they are judged at.
    image, expression
        (n, k) float32 places in the method's own space (`histobench.Generated`), or ``None``.
    real_image
        (n, k) float32 places of the real patches there (`histobench.Viewer`), or ``None``.
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
        """Refuse columns of different length."""
        n = len(self.generated)
        if self.real_image is not None and self.expression is not None:
            _check_vectors(self, self.real_image, self.expression, names=("real_image", "expression"))
        check_shape("features of the real patches", self.real, self.generated.shape)
        for name in ("nearest_generated", "nearest_real"):
            check_shape(name, getattr(self, name), (n,))
        for name in ("read_real", "images", "patches"):
            check_rows(name, getattr(self, name), n)

    def take(self, columns: slice) -> Self:
        """Keep some of the targets."""
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
