"""Heads on foundation models."""

from histobench import lazy
from histobench_heads.foundation.options import FmMlpOptions, LinearOptions, MlpOptions
from histobench_heads.foundation.published import LINEAR_PROBE_REPRODUCTIONS
from histobench_heads.frames.cards import ADAPTED_SLOT, CONTINUOUS, FROZEN_SLOT, cuca_publication

__all__ = ["FMMLP", "LINEAR_PROBE", "MLP"]

LINEAR_PROBE = cuca_publication(
    name="linear-probe",
    title="LinearProbing: one linear layer on frozen embeddings, trained by gradient descent",
    build=lazy("histobench_heads.foundation.method:LinearProbing"),
    options=LinearOptions,
    targets=CONTINUOUS,
    encoder=FROZEN_SLOT,
    # foundation_heads, Numeric checks
    parameters={
        "virchow2, 80 cell types": 204_880,
        "virchow2, 39 cell types": 99_879,
        "uni, 80 cell types": 82_000,
        "uni, 39 cell types": 39_975,
    },
    convert=lazy("histobench_heads.foundation.published:convert_linear_probe"),
    reproductions=LINEAR_PROBE_REPRODUCTIONS,
    # a small random encoder's embeddings are small, and the steps are cheap
    presets={"quick": {"batch": 32}},
)
"""One layer."""

MLP = cuca_publication(
    name="mlp",
    title="MLP: two hidden layers on frozen embeddings",
    build=lazy("histobench_heads.foundation.method:Mlp"),
    options=MlpOptions,
    targets=CONTINUOUS,
    encoder=FROZEN_SLOT,
    # foundation_heads, Numeric checks
    parameters={
        "virchow2, 80 cell types": 1_879_632,
        "virchow2, 39 cell types": 1_858_599,
        "virchow2, 80 cell types, width 256": 808_784,
        "virchow2, 39 cell types, width 256": 798_247,
        "uni, 80 cell types": 1_093_200,
        "uni, 39 cell types": 1_072_167,
    },
    convert=lazy("histobench_heads.foundation.published:convert_mlp"),
    presets={"quick": {"epochs": 15, "batch": 32}},
)
"""Two hidden layers."""

FMMLP = cuca_publication(
    name="fmmlp",
    title="FMMLP: an MLP behind a foundation model whose last blocks are adapted with it",
    build=lazy("histobench_heads.foundation.method:Mlp"),
    options=FmMlpOptions,
    targets=CONTINUOUS,
    encoder=ADAPTED_SLOT,
    # foundation_heads, Numeric checks
    parameters={
        "virchow2 with adapters, 80 cell types": 633_446_864,
        "virchow2 with adapters, 39 cell types": 633_425_831,
        "virchow2 with adapters, 80 cell types, trained": 2_207_440,
        "virchow2 with adapters, 39 cell types, trained": 2_186_407,
    },
    convert=lazy("histobench_heads.foundation.published:convert_mlp"),
    presets={"quick": {"epochs": 15, "batch": 32}, "quick@full": {"patch_px": 32}},
)
"""CUCA without its molecular branch."""
