"""Heads on foundation models."""

from histobench import EncoderSlot, Method, MethodCard
from histobench_heads.cards import CONTINUOUS, CUCA_CITATION, CUCA_LICENCE, CUCA_URL, FROZEN_SLOT
from histobench_heads.foundation.options import LinearOptions, MlpOptions

__all__ = ["LINEAR", "MLP"]


def _linear(options: LinearOptions) -> Method:
    from histobench_heads.foundation.method import LinearProbing

    return LinearProbing(options)


def _mlp(options: MlpOptions) -> Method:
    from histobench_heads.foundation.method import Mlp

    return Mlp(options)


LINEAR = MethodCard(
    name="linear",
    title="LinearProbing: one linear layer on frozen embeddings, trained by gradient descent",
    url=CUCA_URL,
    licence=CUCA_LICENCE,
    citation=CUCA_CITATION,
    build=_linear,
    options=LinearOptions,
    targets=CONTINUOUS,
    encoder=FROZEN_SLOT,
    # a small random encoder's embeddings are small, and the steps are cheap
    presets={"quick": {"batch": 32}},
)
"""One layer."""

MLP = MethodCard(
    name="mlp",
    title="MLP on frozen embeddings; FMMLP where the encoder is trained with it",
    url=CUCA_URL,
    licence=CUCA_LICENCE,
    citation=CUCA_CITATION,
    build=_mlp,
    options=MlpOptions,
    targets=CONTINUOUS,
    encoder=EncoderSlot(
        default="virchow2",
        default_mode="frozen",
        modes=("frozen", "lora", "full"),
        scratch=FROZEN_SLOT.scratch,
        scratch_mode="frozen",
    ),
    presets={"quick": {"epochs": 15, "batch": 32}, "quick@full": {"patch_px": 32}},
)
"""Two hidden layers."""
