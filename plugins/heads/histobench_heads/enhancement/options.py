"""Options of the controls of enhancement; no import here is heavy."""

from dataclasses import dataclass

from histobench import ConfigError

__all__ = ["LatentOptions", "NeighbourMeanOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentOptions:
    """What the controls of enhancement have in common.

    Attributes
    ----------
    components
        Principal components of a section's expression that are its latent, and that its reconstruction is made of.
    """

    components: int = 30  # as wide as GIST's latent: gist.md, section 4.2

    def __post_init__(self) -> None:
        """Refuse a latent without width."""
        if self.components < 1:
            raise ConfigError(f"components must be at least 1, got {self.components}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourMeanOptions(LatentOptions):
    """Who is averaged.

    Attributes
    ----------
    radius_um
        Spots at most so far apart are neighbours. ``None``: 1.5 times the section's median distance to the nearest.
    """

    radius_um: float | None = None  # as GIST's links

    def __post_init__(self) -> None:
        """Refuse a radius that reaches nobody."""
        LatentOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        if self.radius_um is not None and not self.radius_um > 0:
            raise ConfigError(f"radius_um must be positive, got {self.radius_um}.")
