"""The card of boosted trees."""

from histobench import MethodCard, lazy
from histobench_heads.boosting.options import BoostingOptions
from histobench_heads.frames.cards import ALL_KINDS, FROZEN_SLOT, OURS

__all__ = ["BOOSTED_TREES"]

BOOSTED_TREES = MethodCard(
    name="boosted-trees",
    title="gradient-boosted trees on frozen embeddings, one forest for all targets",
    licence=OURS,
    citation="Friedman (2001), Annals of Statistics 29:1189-1232; Friedman (2002), Comput. Stat. Data Anal. 38:367-378",
    build=lazy("histobench_heads.boosting.method:BoostedTrees"),
    options=BoostingOptions,
    targets=ALL_KINDS,
    encoder=FROZEN_SLOT,
    # fewer trees with larger steps: seconds for hundreds of genes
    presets={"quick": {"trees": 100, "lr": 0.1}},
)
"""The strong non-linear baseline."""
