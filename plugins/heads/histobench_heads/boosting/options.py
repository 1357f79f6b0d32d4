"""Options of boosted trees; no import here is heavy."""

from dataclasses import dataclass

from histobench import ConfigError
from histobench_heads.frames.checks import at_least

__all__ = ["BoostingOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostingOptions:
    """Number and size of the trees, and the share of the data for each.

    Attributes
    ----------
    trees
        Most trees; validation slides may choose fewer.
    lr
        Share of each tree that is added.
    depth
        Most splits between root and leaf.
    spots_per_leaf
        Fewest spots in a leaf.
    components
        Number of principal components of the embeddings.
    share_of_spots, share_of_components
        Share that is drawn without replacement for each tree, and for each split.
    patience
        Trees without a smaller validation error after which no more are grown.
    """

    trees: int = 300  # ours: enough for this rate, and few enough without validation slides
    lr: float = 0.05  # Friedman (2001), section 5: at most 0.1
    depth: int = 4  # ours: interactions of few components
    spots_per_leaf: int = 5  # ours
    components: int = 64  # ours: a tree tests one number at a time; later components are mostly noise
    share_of_spots: float = 0.5  # Friedman (2002), Stochastic gradient boosting
    share_of_components: float = 0.25  # ours: as random forests draw features, for speed and against correlated trees
    patience: int = 50  # ours

    def __post_init__(self) -> None:
        """Refuse a forest that cannot grow."""
        at_least(self, 1, "trees", "depth", "spots_per_leaf", "components", "patience")
        for name in ("lr", "share_of_spots", "share_of_components"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"{name} must be above 0 and at most 1, got {getattr(self, name)}.")
