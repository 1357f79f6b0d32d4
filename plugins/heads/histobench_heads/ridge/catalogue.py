"""Ridge regression on frozen embeddings."""

from histobench import Method, MethodCard
from histobench_heads.cards import ALL_KINDS, FROZEN_SLOT, OURS
from histobench_heads.ridge.options import RidgeOptions

__all__ = ["RIDGE"]


def _ridge(options: RidgeOptions) -> Method:
    from histobench_heads.ridge.method import Ridge

    return Ridge(options)


RIDGE = MethodCard(
    name="ridge",
    title="ridge regression on frozen embeddings, its penalty chosen within the training slides",
    licence=OURS,
    citation="Hoerl & Kennard (1970), Technometrics 12:55-67",
    build=_ridge,
    options=RidgeOptions,
    targets=ALL_KINDS,
    encoder=FROZEN_SLOT,
)
"""The dull, strong baseline."""
