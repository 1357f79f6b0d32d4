"""Options of HEST's protocol."""

from dataclasses import dataclass

from histobench_heads.frames.checks import at_least

__all__ = ["HestRidgeOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HestRidgeOptions:
    """Options of HEST's protocol.

    Attributes
    ----------
    components
        Principal components of the embeddings that are kept.
    standardise
        Scale every dimension of the embedding to variance 1 first; the specification does not mention it.
    """

    components: int = 256  # datasets, section 5
    standardise: bool = False  # datasets, section 5, names no scaling

    def __post_init__(self) -> None:
        """Refuse a regression on nothing."""
        at_least(self, 1, "components")
