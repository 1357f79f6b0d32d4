"""Options of the controls of enhancement; no import here is heavy."""

from dataclasses import dataclass

from histobench_heads.frames.checks import at_least, positive

__all__ = ["LatentOptions", "NeighbourMeanOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentOptions:
    """Options shared by the controls of enhancement.

    Attributes
    ----------
    components
        Number of principal components of a section's expression, for its latent and its reconstruction.
    """

    components: int = 30  # as wide as GIST's latent: gist.md, section 4.2

    def __post_init__(self) -> None:
        """Refuse a latent without dimensions."""
        at_least(self, 1, "components")


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourMeanOptions(LatentOptions):
    """Options of the mean over neighbours.

    Attributes
    ----------
    radius_um
        Largest distance between neighbours. ``None``: 1.5 times the section's median distance to the nearest spot.
    """

    radius_um: float | None = None  # as GIST's links

    def __post_init__(self) -> None:
        """Refuse a radius that is not positive."""
        LatentOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        positive(self, "radius_um")
