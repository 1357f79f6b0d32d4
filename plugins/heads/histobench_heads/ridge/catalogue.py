"""Ridge regressions on frozen embeddings."""

from histobench import MethodCard, lazy
from histobench_heads.frames.cards import ALL_KINDS, FROZEN_SLOT, OURS
from histobench_heads.frames.ridge.options import RidgeOptions
from histobench_heads.ridge.options import HestRidgeOptions

__all__ = ["HEST_RIDGE", "RIDGE"]

RIDGE = MethodCard(
    name="ridge",
    title="ridge regression on frozen embeddings, its penalty chosen within the training slides",
    licence=OURS,
    citation="Hoerl & Kennard (1970), Technometrics 12:55-67",
    build=lazy("histobench_heads.frames.ridge.method:Ridge"),
    options=RidgeOptions,
    targets=(*ALL_KINDS, "enhance"),
    encoder=FROZEN_SLOT,
)
"""The simple, strong baseline."""

HEST_RIDGE = MethodCard(
    name="hest-ridge",
    title="HEST-Benchmark's protocol: 256 principal components of frozen embeddings and ridge with a fixed penalty",
    url="https://github.com/mahmoodlab/HEST",
    licence="CC BY-NC-SA 4.0 (the authors' code; this is a clean-room implementation from its specification)",
    citation="Jaume et al. (2024), NeurIPS Datasets and Benchmarks (HEST-1k)",
    build=lazy("histobench_heads.ridge.hest:HestRidge"),
    options=HestRidgeOptions,
    targets=ALL_KINDS,
    encoder=FROZEN_SLOT,
)
"""The head with which foundation models are compared."""
