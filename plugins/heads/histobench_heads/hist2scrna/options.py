"""The options of both hist2scRNA models and where their defaults come from; free of torch, so that listing stays light.

Numbers marked *spec* are from ``hist2scrna.md``; *CLI* says that the constructor's default differs.
"""

from dataclasses import dataclass
from typing import Literal

from histobench import ConfigError

__all__ = ["CountOptions", "Hist2ScrnaLightOptions", "Hist2ScrnaOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountOptions:
    """What both models share: loss, optimisation and the estimate that is predicted.

    Attributes
    ----------
    batch
        Spots that a step's loss is computed on.
    alpha
        Weight of the cross-entropy of the class beside the counts.
    plateau_epochs
        Epochs without a better validation loss that are borne before the learning rate is halved.
    zinb
        ``stable``, or ``upstream``: the published formula on exp and sigmoid.
    point
        What is said of the counts: ``zinb_mean``, their mean with zeros included, or ``mu``, without the extra zeros.
    logarithm
        How counts become the panel's ln(1 + counts per 10,000): ``mean_of_log``, its mean under the distribution, or
        ``log_of_mean``, the logarithm of the estimate, which is larger the more the counts spread.
    size_offset
        Multiply each training spot's μ by its library size over the mean one, so that depth need not be predicted.
    start_at_mean
        Start with the training mean of every gene, as the bias of ln μ; otherwise it is learned from 1.
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
        """Refuse numbers that no training can use."""
        _check_counts(self, "epochs", "batch", "decoder", "accumulate")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"option 'dropout' must be in [0, 1), got {self.dropout}.")
        for name in ("lr", "alpha"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"option {name!r} must be positive, got {getattr(self, name)}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hist2ScrnaOptions(CountOptions):
    """How the full model is built, batched and trained.

    Attributes
    ----------
    patch_px
        Side of the patch, made from 224 pixels of the image, and of the network's input.
    token_px
        Side of a token; a divisor of ``patch_px``.
    embed, depth, heads
        Width, blocks and attention heads of the vision transformer.
    gnn_hidden, gnn_heads
        Width of both graph layers and heads of the first.
    graph
        False leaves the spots apart: the decoder reads the transformer's vector.
    neighbours
        Nearest spots that are linked.
    direction
        ``both``; ``from_neighbours``, a spot receives from its own nearest; or ``to_neighbours``, as published: it
        receives from the spots that have it among their nearest.
    graph_batch
        ``neighbourhood``: a contiguous part with everything within two hops, the loss on the part, and a whole slide's
        graph in prediction. ``upstream``: random spots, of whose links only those among themselves are kept, in
        prediction consecutive rows.
    augment
        Flip, turn and recolour training patches.
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
    augment: bool = False  # spec, section 8: a flag that is off unless given
    smoothness: float = 0.0  # spec, section 14: an example of 0.01

    def __post_init__(self) -> None:
        """Refuse sizes that make no network."""
        CountOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        counts = ("patch_px", "token_px", "embed", "depth", "heads", "gnn_hidden", "gnn_heads", "neighbours")
        _check_counts(self, *counts)
        for whole, part in (("patch_px", "token_px"), ("embed", "heads")):
            if getattr(self, whole) % getattr(self, part):
                raise ConfigError(
                    f"option {whole!r} must be a multiple of {part!r}, got {getattr(self, whole)} and "
                    f"{getattr(self, part)}."
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hist2ScrnaLightOptions(CountOptions):
    """How the lightweight model is built and trained.

    Attributes
    ----------
    width, heads
        Of the projection and of the attention.
    group
        Spots, side by side, that attend to one another; alone, attention is a linear layer.
    pool
        ``spot`` gives each spot of a group its own row, ``mean`` the group's mean, as published for groups.
    residual
        Add the projection to what attention makes of it.
    positions
        Add sines and cosines of the place within the group, so that attention knows who is near.
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
        """Refuse sizes that make no network."""
        CountOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        _check_counts(self, "width", "heads", "group")
        if self.width % self.heads or self.width % 4:
            raise ConfigError(f"option 'width' must be a multiple of 'heads' and of 4, got {self.width}.")


def _check_counts(options: CountOptions, *names: str) -> None:
    for name in names:
        if getattr(options, name) < 1:
            raise ConfigError(f"option {name!r} must be at least 1, got {getattr(options, name)}.")
