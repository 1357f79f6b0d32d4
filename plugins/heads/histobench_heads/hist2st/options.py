"""The options of Hist2ST and the sources of their defaults; no import here is heavy."""

from dataclasses import dataclass
from typing import Literal

from histobench import ConfigError
from histobench_heads.frames.checks import at_least, not_negative
from histobench_heads.frames.slidewise.options import GraphOptions

__all__ = ["Hist2STOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hist2STOptions(GraphOptions):
    """How Hist2ST is built and trained, in addition to the options of every whole-slide method with a graph.

    Attributes
    ----------
    kernel
        Side of the depthwise filters of the ConvMixer.
    stride
        Side of the squares that a patch is cut into.
    channels
        Channels of the ConvMixer; the width of a token is an eighth of them times the number of squares.
    mixers, depth, graph_layers
        ConvMixer layers, transformer blocks, and graph layers.
    heads
        Attention heads of 64 dimensions each.
    policy
        How a graph layer aggregates the neighbours.
    self_loops
        Let every spot be one of its own neighbours. Otherwise its own patch reaches its prediction only through the
        spots around it.
    likelihood
        Likelihood of the counts: zero-inflated negative binomial, or negative binomial.
    weight_counts
        Weight of the negative log-likelihood of the counts; 0 leaves it out. Used only if the dataset has counts.
    copies
        Number of augmented copies of a slide for the distillation.
    weight_distilled
        Weight of the distance between prediction and distilled prediction; 0 leaves it out.
    """

    epochs: int = 350  # hist2st.md, Defaults: both
    weight_decay: float = 1e-4  # hist2st.md, Defaults: CUCA; the original's 0 is the card's for gene expression
    schedule: Literal["step", "constant"] = "step"  # hist2st.md, Defaults: both, times 0.9 every 50 epochs
    n_pos: int = 240  # hist2st.md, Defaults: CUCA; the original has 64
    dropout: float = 0.2  # hist2st.md, Defaults: both
    kernel: int = 5  # hist2st.md, Architecture, tag 5-7-2-8-4-16-32, and the six below
    stride: int = 7
    mixers: int = 2
    depth: int = 8
    graph_layers: int = 4
    heads: int = 16
    channels: int = 32
    policy: Literal["mean", "max"] = "mean"  # hist2st.md, Architecture 7
    self_loops: bool = False  # hist2st.md, Architecture 7 and Known defects: none, kept
    likelihood: Literal["zinb", "nb"] = "zinb"  # hist2st.md, Loss
    weight_counts: float = 0.0  # hist2st.md, Defaults: CUCA; the original's .25 is the card's for gene expression
    copies: int = 5  # hist2st.md, Loss
    weight_distilled: float = 0.0  # hist2st.md, Defaults: CUCA; the original's .5 is the card's for gene expression

    def __post_init__(self) -> None:
        """Refuse sizes of which no network can be built, and negative weights."""
        GraphOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        at_least(self, 1, "kernel", "stride", "mixers", "depth", "graph_layers", "heads", "copies")
        not_negative(self, "weight_counts", "weight_distilled")
        if self.channels < 8 or self.channels % 8:
            raise ConfigError(f"channels must be a multiple of 8, got {self.channels}.")
        if self.patch_px < self.stride:
            raise ConfigError(f"patch_px must be at least the stride of {self.stride}, got {self.patch_px}.")

    @property
    def dim(self) -> int:
        """Width of a token: number of squares of a patch times an eighth of the channels."""
        return (self.patch_px // self.stride) ** 2 * (self.channels // 8)
