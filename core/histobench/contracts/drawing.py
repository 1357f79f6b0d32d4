"""What ``histobench generate`` asks of a method that draws patches: prompts, seeds, and paths between prompts."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from histobench.contracts.protocols import Method
from histobench.data import Counts, Float, Patches, UInt8
from histobench.errors import ConfigError

__all__ = ["Drawer", "Drawing", "NoiseMode", "Viewer", "interpolate"]

NoiseMode: TypeAlias = Literal["const", "random", "none"]
"""Noise added on the way to an image: what was drawn once for all images, fresh, or none."""

_NEARLY_ONE = 0.9995  # clip_gan, section 7: a path so short is straight


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """How images are drawn from prompts; a method refuses, in a ``ConfigError``, what it has no use for.

    Attributes
    ----------
    seeds
        Each gives its own images of every prompt.
    n_samples
        Images of a prompt for each seed.
    truncation
        ψ: 1 draws what was learned, 0 one image a prompt.
    same_seed
        Give every prompt the same latents; else one stream runs through all images of a seed.
    translate, rotate
        Shift in the units of the waves that an image begins with, and turn in degrees.
    """

    seeds: tuple[int, ...] = (0,)
    n_samples: int = 1
    truncation: float = 1.0
    noise_mode: NoiseMode = "const"
    same_seed: bool = False
    translate: tuple[float, float] = (0.0, 0.0)
    rotate: float = 0.0

    def __post_init__(self) -> None:
        """Refuse to draw nothing, and by numbers that are none."""
        if not all(math.isfinite(number) for number in (self.truncation, self.rotate, *self.translate)):
            raise ConfigError("truncation, translate and rotate must be finite numbers.")
        if not self.seeds or self.n_samples < 1:
            raise ConfigError(
                f"a drawing needs a seed and a sample at least, got {len(self.seeds)} seeds, {self.n_samples} samples."
            )


class Drawer(Method, Protocol):
    """A method that draws patches from prompts of any origin, once it is fitted or loaded."""

    @property
    def genes(self) -> tuple[str, ...]:
        """Name the genes (N,) that it draws by, in the order of `encode`'s columns."""
        ...

    def prompts(self, counts: Counts) -> Float:
        """Embed raw counts (p, g), genes by their names: (p, c)."""
        ...

    def encode(self, expression: Float) -> Float:
        """Embed normalised log expression (p, N), a column for each of `genes`: (p, c)."""
        ...

    def draw(self, prompts: Float, drawing: Drawing) -> UInt8:
        """Draw from prompts (p, c): (p, seeds * samples, h, w, 3) uint8, all samples of a seed together."""
        ...


@runtime_checkable
class Viewer(Protocol):
    """A method that has a space of its own for patches and prompts, in which real patches have places too."""

    def view(self, patches: Patches) -> Float:
        """Place real patches (n, h, w, 3) as drawn ones are (`histobench.Generated.image`): (n, d).

        It is asked when all of its job has been predicted.
        """
        ...


def interpolate(first: Float, second: Float, n_steps: int) -> Float:
    """Lead from one prompt (c,) to another on the sphere, both ends included: (steps, c) rows, not normalised again.

    Raises
    ------
    ConfigError
        For fewer than two steps, or ends of different widths.
    """
    if n_steps < 2:
        raise ConfigError(f"a path has two ends: take 2 steps or more, got {n_steps}.")
    if first.shape != second.shape:
        raise ConfigError(f"the ends of a path must be of one width, got {len(first)} and {len(second)} numbers.")
    along = np.linspace(0.0, 1.0, n_steps)[:, None]
    cosine = float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))
    if not abs(cosine) <= _NEARLY_ONE:
        straight: Float = (1 - along) * first + along * second
        return straight
    angle = math.acos(cosine)
    path: Float = (np.sin((1 - along) * angle) * first + np.sin(along * angle) * second) / math.sin(angle)
    return path
