"""The options of THItoGene and the sources of their defaults; no import here is heavy."""

from dataclasses import dataclass
from typing import Literal

from histobench import ConfigError
from histobench_heads.frames.checks import at_least
from histobench_heads.frames.slidewise.options import GraphOptions

__all__ = ["ThitogeneOptions", "smallest_patch_px"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThitogeneOptions(GraphOptions):
    """How THItoGene is built and trained; see `GraphOptions` for the options shared with other whole-slide methods.

    Attributes
    ----------
    stride
        Stride of the dynamic convolution, in pixels; smaller patches need a smaller one.
    width
        Channels of the first convolution after it, a multiple of 4; all other channels are in proportion.
    capsules, route_dim
        Number of capsules of a spot and the width of each.
    depth, heads, hidden
        Transformer blocks, their attention heads of 64 dimensions, and the width of their feed-forward part.
    graph_heads, graph_dim
        Number of graph attention heads and the width of each.
    embedding
        Width of the output of graph attention.
    head_hidden
        Width of the layer before the prediction.
    attention_axis
        Over what the weights of graph attention sum to one. ``receivers``: the spots that see a spot, as published and
        as in released weights. ``neighbours``: the spots that a spot sees, as graph attention is defined.
    self_loops
        Let every spot see itself too.
    """

    epochs: int = 200  # protocol, section 6
    stride: int = 4  # thitogene.md, Architecture 1
    width: int = 32  # thitogene.md, Architecture 2
    capsules: int = 20  # thitogene.md, Architecture
    route_dim: int = 64  # thitogene.md, Architecture
    depth: int = 4  # thitogene.md, Defaults: her2st; 8 for cSCC
    heads: int = 16  # thitogene.md, Architecture
    hidden: int = 2048  # thitogene.md, Architecture 6
    graph_heads: int = 8  # thitogene.md, Architecture
    graph_dim: int = 1024  # thitogene.md, Architecture 7
    embedding: int = 512  # thitogene.md, Architecture 7
    head_hidden: int = 1024  # thitogene.md, Architecture 8
    attention_axis: Literal["receivers", "neighbours"] = "receivers"  # thitogene.md, Known defects
    self_loops: bool = False  # thitogene.md, Known defects: none

    def __post_init__(self) -> None:
        """Refuse sizes of which no network can be built."""
        GraphOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        at_least(self, 1, "stride", "capsules", "route_dim", "depth", "heads", "hidden", "graph_heads", "graph_dim")
        at_least(self, 1, "embedding", "head_hidden")
        if self.width < 4 or self.width % 4:
            raise ConfigError(f"width must be a multiple of 4 and at least 4, got {self.width}.")
        if self.patch_px < smallest_patch_px(self.stride):
            raise ConfigError(
                f"with stride {self.stride} patches must be at least "
                f"{smallest_patch_px(self.stride)} pixels a side, got patch_px {self.patch_px}; use a smaller stride."
            )


def smallest_patch_px(stride: int, /) -> int:
    """Return the side of the smallest patch of which the four convolutions leave one pixel."""
    # 5 + 3 + 3 + 3 pixels of valid convolutions take a map of 11; the kernel before them is 4 wide
    return 10 * stride + 4
