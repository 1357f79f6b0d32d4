"""The options of HisToGene and the sources of their defaults; no import here is heavy."""

from dataclasses import dataclass

from histobench_heads.frames.checks import at_least
from histobench_heads.frames.slidewise.options import SlideOptions

__all__ = ["HisToGeneOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HisToGeneOptions(SlideOptions):
    """How HisToGene is built and trained, in addition to the options of every whole-slide method.

    Attributes
    ----------
    dim
        Width of a spot's token.
    depth
        Transformer blocks.
    heads
        Attention heads of 64 dimensions each.
    hidden
        Width inside the feed-forward parts.
    """

    epochs: int = 100  # histogene.md, Defaults: both
    weight_decay: float = 1e-4  # histogene.md, Defaults: CUCA; the original's 0 is the card's for gene expression
    n_pos: int = 128  # histogene.md, Architecture: CUCA; the original has 64
    dropout: float = 0.1  # histogene.md, Architecture
    dim: int = 1024  # histogene.md, Architecture
    depth: int = 8  # histogene.md, Architecture: tutorial and CUCA; the constructor's own default is 4
    heads: int = 16  # histogene.md, Architecture
    hidden: int = 2048  # histogene.md, Architecture

    def __post_init__(self) -> None:
        """Refuse sizes below 1."""
        SlideOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        at_least(self, 1, "dim", "depth", "heads", "hidden")
