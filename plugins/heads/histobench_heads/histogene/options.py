"""The options of HisToGene and where their defaults come from; free of torch, so that listing stays light."""

from dataclasses import dataclass

from histobench import ConfigError
from histobench_heads.frames.slidewise.options import SlideOptions

__all__ = ["HisToGeneOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HisToGeneOptions(SlideOptions):
    """How HisToGene is built and trained; beside the options of every whole-slide method.

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
    n_pos: int = 128  # histogene.md, Architecture: CUCA; the original's is 64
    dropout: float = 0.1  # histogene.md, Architecture
    dim: int = 1024  # histogene.md, Architecture
    depth: int = 8  # histogene.md, Architecture: tutorial and CUCA; the constructor's own default is 4
    heads: int = 16  # histogene.md, Architecture
    hidden: int = 2048  # histogene.md, Architecture

    def __post_init__(self) -> None:
        """Refuse sizes that make no network."""
        SlideOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        for name in ("dim", "depth", "heads", "hidden"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
