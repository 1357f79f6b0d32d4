"""The options of both hist2scRNA models and the sources of their defaults; no import here is heavy.

Numbers marked *spec* are from ``hist2scrna.md``; *CLI* means that the default of the constructor differs.
"""

from dataclasses import dataclass
from typing import Literal

from histobench import ConfigError
from histobench_heads.frames.checks import at_least, positive, shares

__all__ = ["CountOptions", "Hist2ScrnaLightOptions", "Hist2ScrnaOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountOptions:
    """Options of both models: loss, optimisation and the predicted estimate.

    Attributes
    ----------
    batch
        Spots that a step's loss is computed on.
    alpha
        Weight of the cross-entropy of the class, relative to the loss of the counts.
    plateau_epochs
        Epochs without a better validation loss before the learning rate is halved.
    zinb
        ``stable``, or ``upstream``: the published formula on exp and sigmoid.
    point
        Estimate of the counts: ``zinb_mean``, their mean including zeros, or ``mu``, without the extra zeros.
    logarithm
        How counts become the panel's ln(1 + counts per 10,000): ``mean_of_log``, its mean under the distribution, or
        ``log_of_mean``, the logarithm of the estimate, which exceeds it the more, the more the counts vary.
    size_offset
        Multiply μ of each training spot by its library size over the mean one, so that depth is not predicted.
    start_at_mean
        Start with the training mean of every gene, as the bias of ln μ; otherwise with 1.
    decoder
        Width of the decoder's middle layer; its last is twice as wide.
    accumulate
        Batches whose gradients make one step.
    """

    epochs: int = 50  # spec, section 8
    batch: int = 8  # spec, section 8
    lr: float = 1e-4  # spec, section 8; AdamW
    weight_decay: float = 0.01  # spec, section 8; decoupled, on all tensors
    plateau_epochs: int = 5  # spec, section 8; times 0.5
    alpha: float = 0.1  # spec, section 7
    dropout: float = 0.1  # spec, section 4
    zinb: Literal["stable", "upstream"] = "stable"  # published: upstream; defect 10
    point: Literal["zinb_mean", "mu"] = "zinb_mean"  # published: mu; defect 9
    logarithm: Literal["mean_of_log", "log_of_mean"] = "mean_of_log"  # ours: published counts stay counts
    size_offset: bool = False  # spec: none; defect 11
    start_at_mean: bool = False  # spec, section 4.4: torch's own initialisation
    decoder: int = 1024  # spec, sections 4.3 and 5
    accumulate: int = 1  # spec, section 14: advised where memory is short

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        at_least(self, 1, "epochs", "batch", "decoder", "accumulate")
        shares(self, "dropout")
        positive(self, "lr", "alpha")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hist2ScrnaOptions(CountOptions):
    """How the full model is built, batched and trained.

    Attributes
    ----------
    patch_px
        Side of the patch, made from 224 pixels of the image, and of the input of the network.
    token_px
        Side of a token; a divisor of ``patch_px``.
    embed, depth, heads
        Width, blocks and attention heads of the vision transformer.
    gnn_hidden, gnn_heads
        Width of both graph layers and heads of the first.
    graph
        False: no links between spots; the decoder reads the vector of the transformer.
    neighbours
        Number of nearest spots to link.
    direction
        ``both``; ``from_neighbours``: a spot receives from its own nearest; ``to_neighbours``, as published: it
        receives from the spots that have it among their nearest.
    graph_batch
        ``neighbourhood``: a contiguous part with everything within two hops, the loss on the part, and the graph of a
        whole slide in prediction. ``upstream``: random spots, in prediction consecutive rows, with only the links
        among them.
    augment
        Flip, rotate and colour-jitter training patches.
    smoothness
        Weight of the mean squared difference of μ over links; 0 leaves it out.
    """

    patch_px: int = 224  # spec, section 2.2
    token_px: int = 16  # spec, section 4
    embed: int = 384  # spec, section 4, CLI; constructor 768
    depth: int = 6  # spec, section 4
    heads: int = 6  # spec, section 4, CLI; constructor 12
    gnn_hidden: int = 512  # spec, section 4
    gnn_heads: int = 4  # spec, section 4
    graph: bool = True  # spec, section 4; could not be turned off: defect 8
    neighbours: int = 6  # spec, section 3
    direction: Literal["both", "from_neighbours", "to_neighbours"] = "both"  # published: to_neighbours; defect 12
    graph_batch: Literal["neighbourhood", "upstream"] = "neighbourhood"  # published: upstream; defect 1
    augment: bool = False  # spec, section 8: a flag, off by default
    smoothness: float = 0.0  # spec, section 14: an example of 0.01

    def __post_init__(self) -> None:
        """Refuse sizes of which no network can be built."""
        CountOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        at_least(self, 1, "patch_px", "token_px", "embed", "depth", "heads", "gnn_hidden", "gnn_heads", "neighbours")
        for whole, part in (("patch_px", "token_px"), ("embed", "heads")):
            if getattr(self, whole) % getattr(self, part):
                sizes = f"{getattr(self, whole)} and {getattr(self, part)}"
                raise ConfigError(f"{whole} must be a multiple of {part}, got {sizes}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hist2ScrnaLightOptions(CountOptions):
    """How the lightweight model is built and trained.

    Attributes
    ----------
    width, heads
        Width of the projection, and attention heads.
    group
        Adjacent spots that attend to one another; with one spot, attention is a linear layer.
    pool
        ``spot`` gives each spot of a group its own row, ``mean`` the group's mean, as published for groups.
    residual
        Add the projection to the output of the attention.
    positions
        Add sines and cosines of the position within the group, so that attention can depend on distance.
    standardise
        Give each dimension of the embedding mean 0 and deviation 1 over the training spots.
    """

    width: int = 1024  # spec, section 5
    heads: int = 8  # spec, section 5
    group: int = 1  # spec, section 5: two-dimensional input
    pool: Literal["spot", "mean"] = "spot"  # published: mean; defect 5
    residual: bool = False  # spec, section 5; defect 6
    positions: bool = False  # spec, section 5; defect 6
    standardise: bool = False  # spec, section 5: features as they are

    def __post_init__(self) -> None:
        """Refuse sizes of which no network can be built."""
        CountOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        at_least(self, 1, "width", "heads", "group")
        if self.width % self.heads or self.width % 4:
            raise ConfigError(f"width must be a multiple of heads and of 4, got {self.width}.")
