"""The options of Hist2Cell and the sources of their defaults; no import here is heavy."""

from dataclasses import dataclass

from histobench_heads.frames.checks import at_least, shares

__all__ = ["Hist2CellOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hist2CellOptions:
    """How Hist2Cell is built, batched and trained.

    Attributes
    ----------
    dropout
        Of attention probabilities, attention output and the two inner layers of each transformer block; in [0, 1).
    faithful
        Train on ``seeds_per_batch`` random spots of all slides with their neighbourhoods, and predict that many
        consecutive rows at a time, as published. Otherwise a batch is one contiguous part of one slide.
    seeds_per_batch
        Spots that a faithful batch is grown from.
    part_spots
        Most spots of a contiguous part, without its halo; has no effect with ``faithful``.
    hops
        Hops by which a batch extends beyond its seeds.
    final_relu
        Rectify the prediction, as the original repository does and CUCA's copy does not.
    patch_px
        Side of the patch for the encoder, in pixels; 224 pixels of the image are resized to it.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    epochs: int = 10  # CUCA's comparison, all cohorts; the original tutorial runs 5 and advises 20-50
    lr: float = 1e-4  # both repositories; Adam, cosine to a tenth in 20 epochs
    weight_decay: float = 1e-4  # both repositories; L2 added to the gradient
    depth: int = 3  # both repositories: transformer blocks
    dropout: float = 0.3  # both repositories
    faithful: bool = False  # True is the published sampler
    seeds_per_batch: int = 16  # both repositories
    part_spots: int = 16  # ours: as many steps an epoch as the published sampler takes
    hops: int = 2  # both repositories, all neighbours kept
    final_relu: bool = False  # CUCA's copy; the original and its released weights need True
    patch_px: int = 224  # both repositories

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        at_least(self, 1, "epochs", "depth", "seeds_per_batch", "part_spots", "hops", "patch_px")
        shares(self, "dropout")
