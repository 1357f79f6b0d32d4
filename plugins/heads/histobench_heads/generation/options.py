"""Options of the controls of generation; no import here is heavy."""

from dataclasses import dataclass

from histobench_heads.frames.checks import at_least

__all__ = ["LookUpOptions", "NearestPromptOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUpOptions:
    """Options of both controls.

    Attributes
    ----------
    patch_px
        Side of the patches that are returned.
    most
        Most training patches that are kept; a random subset if there are more.
    """

    patch_px: int = 64  # ours: as the smallest published generator draws
    most: int = 10_000  # ours: 120 MB of patches at 64 px

    def __post_init__(self) -> None:
        """Refuse patches without pixels and an empty store."""
        at_least(self, 1, "patch_px", "most")


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestPromptOptions(LookUpOptions):
    """Options of the distance between prompts.

    Attributes
    ----------
    components
        Number of principal components of the log-normalised expression for the distance.
    n_genes
        Number of genes of highest mean count that are used; ``None`` for all.
    """

    components: int = 50  # ours: as single-cell atlases look for neighbours
    n_genes: int | None = 2000  # ours

    def __post_init__(self) -> None:
        """Refuse to compare nothing."""
        LookUpOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        at_least(self, 1, "components", "n_genes")
