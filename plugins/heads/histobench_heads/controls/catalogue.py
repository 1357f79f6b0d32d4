"""The cards of the controls, which always run and give scores their scale."""

from histobench import EncoderSlot, MethodCard, lazy
from histobench_heads.controls.options import (
    MeanOptions,
    NearestOptions,
    OracleOptions,
    PositionOptions,
    ShuffledOptions,
)
from histobench_heads.frames.cards import ALL_KINDS, OURS
from histobench_heads.frames.ridge.options import RidgeOptions

__all__ = ["COLOUR", "MEAN", "NEAREST", "ORACLE", "POSITION", "SHUFFLED"]


_COLOURS = EncoderSlot(default="colour-stats", default_mode="frozen", modes=("frozen",), fixed=True)

MEAN = MethodCard(
    name="mean",
    title="control: every spot gets the mean of the training spots",
    licence=OURS,
    build=lazy("histobench_heads.controls.mean:Mean"),
    options=MeanOptions,
    targets=(*ALL_KINDS, "enhance"),
    control=True,
)
"""The mean of the training spots."""

POSITION = MethodCard(
    name="position",
    title="control: the position within the tissue only, without any image",
    licence=OURS,
    build=lazy("histobench_heads.controls.position:Position"),
    options=PositionOptions,
    targets=ALL_KINDS,
    unit="slide",  # places are relative to the slide's bounding box
    control=True,
)
"""Position without an image."""

COLOUR = MethodCard(
    name="colour",
    title="control: ridge regression on colour statistics of the patch",
    licence=OURS,
    citation="Hoerl & Kennard (1970), Technometrics 12:55-67",
    build=lazy("histobench_heads.frames.ridge.method:Ridge"),
    options=RidgeOptions,
    targets=(*ALL_KINDS, "enhance"),
    encoder=_COLOURS,
    control=True,
)
"""Colour without morphology."""

NEAREST = MethodCard(
    name="nearest-patch",
    title="control: the targets of the training patch nearest in colour statistics",
    licence=OURS,
    citation="Cover & Hart (1967), IEEE Trans. Inf. Theory 13:21-27",
    build=lazy("histobench_heads.controls.nearest:Nearest"),
    options=NearestOptions,
    targets=ALL_KINDS,
    encoder=_COLOURS,
    control=True,
)
"""Copying the most similar training patch."""

SHUFFLED = MethodCard(
    name="shuffled",
    title="control: ridge regression on colour statistics, trained on the targets of other spots; must score nothing",
    licence=OURS,
    citation="Ojala & Garriga (2010), J. Mach. Learn. Res. 11:1833-1863",
    build=lazy("histobench_heads.controls.shuffled:Shuffled"),
    options=ShuffledOptions,
    targets=ALL_KINDS,
    encoder=_COLOURS,
    control=True,
)
"""Detects leaks."""

ORACLE = MethodCard(
    name="oracle",
    title="control: the truth behind the targets, where it is known",
    licence=OURS,
    build=lazy("histobench_heads.controls.oracle:Oracle"),
    options=OracleOptions,
    targets=ALL_KINDS,
    control=True,
    needs_oracle=True,
)
"""The highest score that a method can reach."""
