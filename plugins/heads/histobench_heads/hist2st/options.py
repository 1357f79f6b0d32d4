"""The options of Hist2ST and where their defaults come from; free of torch, so that listing stays light."""

from dataclasses import dataclass
from typing import Literal

from histobench import ConfigError
from histobench_heads.frames.slidewise.options import GraphOptions

__all__ = ["Hist2STOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hist2STOptions(GraphOptions):
    """How Hist2ST is built and trained; beside the options of every whole-slide method with a graph.

    Attributes
    ----------
    kernel
        Side of the depthwise filters of the ConvMixer.
    stride
        Side of the squares that a patch is cut into.
    channels
        Of the ConvMixer; an eighth of them makes the token, as wide as squares times this.
    mixers, depth, graph_layers
        ConvMixer layers, transformer blocks, and graph layers.
    heads
        Attention heads of 64 dimensions each.
    policy
        How a graph layer sums up the neighbours.
    self_loops
        Let every spot be one of its own neighbours. Without, what a spot looks like reaches its prediction through
        the spots around it only.
    likelihood
        Of the counts: zero-inflated negative binomial, or negative binomial.
    weight_counts
        Weight of the counts' negative log-likelihood; 0 leaves it out. Only where the dataset has counts.
    copies
        Augmented copies of a slide that are distilled.
    weight_distilled
        Weight of the distance between prediction and distilled prediction; 0 leaves it out.
    """

    epochs: int = 350  # hist2st.md, Defaults: both
    weight_decay: float = 1e-4  # hist2st.md, Defaults: CUCA; the original's 0 is the card's for gene expression
    schedule: Literal["step", "constant"] = "step"  # hist2st.md, Defaults: both, times 0.9 every 50 epochs
    n_pos: int = 240  # hist2st.md, Defaults: CUCA; the original's is 64
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
        """Refuse sizes that make no network and weights that reward errors."""
        GraphOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        for name in ("kernel", "stride", "mixers", "depth", "graph_layers", "heads", "copies"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.channels < 8 or self.channels % 8:
            raise ConfigError(f"channels must be a multiple of 8, got {self.channels}.")
        if self.patch_px < self.stride:
            raise ConfigError(f"patch_px must be at least the stride of {self.stride}, got {self.patch_px}.")
        for name in ("weight_counts", "weight_distilled"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}.")

    @property
    def dim(self) -> int:
        """Width of a token: squares of a patch times an eighth of the channels."""
        return (self.patch_px // self.stride) ** 2 * (self.channels // 8)
