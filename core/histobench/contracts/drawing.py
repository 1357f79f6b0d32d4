"""The interface between ``histobench generate`` and methods that draw patches: prompts, seeds, paths."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from histobench.contracts.protocols import Method
from histobench.data import Counts, Float, Patches, UInt8
from histobench.errors import ConfigError

__all__ = ["Drawer", "Drawing", "NoiseMode", "Viewer", "interpolate"]

NoiseMode: TypeAlias = Literal["const", "random", "none"]
"""Noise added while an image is drawn: the same for all images, fresh for each, or none."""

_NEARLY_ONE = 0.9995  # clip_gan, section 7: a shorter path is straight


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """How to draw images from prompts; a method raises ``ConfigError`` for settings that it does not support.

    Attributes
    ----------
    seeds
        Each seed draws its own images of every prompt.
    n_samples
        Images per prompt and seed.
    truncation
        ψ: 1 draws as learned, 0 draws one image per prompt.
    same_seed
        Use the same latents for every prompt; otherwise one random stream runs through all images of a seed.
    translate, rotate
        Shift in units of the initial Fourier features of an image, and rotation in degrees.
    """

    seeds: tuple[int, ...] = (0,)
    n_samples: int = 1
    truncation: float = 1.0
    noise_mode: NoiseMode = "const"
    same_seed: bool = False
    translate: tuple[float, float] = (0.0, 0.0)
    rotate: float = 0.0

    def __post_init__(self) -> None:
        """Refuse numbers that are not finite, and a drawing without seeds or samples."""
        if not all(math.isfinite(number) for number in (self.truncation, self.rotate, *self.translate)):
            raise ConfigError("truncation, translate and rotate must be finite numbers.")
        if not self.seeds or self.n_samples < 1:
            raise ConfigError(
                f"a drawing needs a seed and a sample, got {len(self.seeds)} seeds, {self.n_samples} samples."
            )


class Drawer(Method, Protocol):
    """A method that draws patches from any prompts after it is fitted or loaded."""

    @property
    def genes(self) -> tuple[str, ...]:
        """The (N,) genes of its prompts, in the order of the columns of `encode`."""
        ...

    def prompts(self, counts: Counts) -> Float:
        """Embed raw counts (p, g), whose genes have names: (p, c)."""
        ...

    def encode(self, expression: Float) -> Float:
        """Embed normalised log expression (p, N), a column for each of `genes`: (p, c)."""
        ...

    def draw(self, prompts: Float, drawing: Drawing) -> UInt8:
        """Draw from prompts (p, c): (p, seeds * samples, h, w, 3) uint8, all samples of a seed together."""
        ...


@runtime_checkable
class Viewer(Protocol):
    """A method that embeds patches and prompts in its own space."""

    def view(self, patches: Patches) -> Float:
        """Embed real patches (n, h, w, 3) like generated ones (`histobench.Generated.image`): (n, d).

        It is called after all predictions of a job.
        """
        ...


def interpolate(first: Float, second: Float, n_steps: int) -> Float:
    """Interpolate on the sphere from one prompt (c,) to another, including both: (steps, c), not normalised again.

    Raises
    ------
    ConfigError
        For fewer than two steps, or ends of different widths.
    """
    if n_steps < 2:
        raise ConfigError(f"a path needs at least 2 steps, got {n_steps}.")
    if first.shape != second.shape:
        raise ConfigError(f"the ends of a path must have the same width, got {len(first)} and {len(second)} numbers.")
    along = np.linspace(0.0, 1.0, n_steps)[:, None]
    cosine = float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))
    if not abs(cosine) <= _NEARLY_ONE:
        straight: Float = (1 - along) * first + along * second
        return straight
    angle = math.acos(cosine)
    path: Float = (np.sin((1 - along) * angle) * first + np.sin(along * angle) * second) / math.sin(angle)
    return path
