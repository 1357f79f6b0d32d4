"""The cards of the controls, which always run and give scores their scale."""

from histobench import EncoderSlot, lazy
from histobench_heads.controls.options import (
    NoOptions,
    PositionOptions,
    ShuffledOptions,
)
from histobench_heads.frames.cards import ALL_KINDS, control
from histobench_heads.frames.ridge.options import RidgeOptions

__all__ = ["COLOUR", "MEAN", "NEAREST", "ORACLE", "POSITION", "SHUFFLED"]

_COLOURS = EncoderSlot(default="colour-stats", default_mode="frozen", modes=("frozen",), fixed=True)

MEAN = control(
    name="mean",
    title="control: every spot gets the mean of the training spots",
    build=lazy("histobench_heads.controls.mean:Mean"),
    options=NoOptions,
    targets=(*ALL_KINDS, "enhance"),
)
"""The mean of the training spots."""

POSITION = control(
    name="position",
    title="control: the position within the tissue only, without any image",
    build=lazy("histobench_heads.controls.position:Position"),
    options=PositionOptions,
    targets=ALL_KINDS,
    unit="slide",  # places are relative to the slide's bounding box
)
"""Position without an image."""

COLOUR = control(
    name="colour",
    title="control: ridge regression on colour statistics of the patch",
    citation="Hoerl & Kennard (1970), Technometrics 12:55-67",
    build=lazy("histobench_heads.frames.ridge.method:Ridge"),
    options=RidgeOptions,
    targets=(*ALL_KINDS, "enhance"),
    encoder=_COLOURS,
)
"""Colour without morphology."""

NEAREST = control(
    name="nearest-patch",
    title="control: the targets of the training patch nearest in colour statistics",
    citation="Cover & Hart (1967), IEEE Trans. Inf. Theory 13:21-27",
    build=lazy("histobench_heads.controls.nearest:Nearest"),
    options=NoOptions,
    targets=ALL_KINDS,
    encoder=_COLOURS,
)
"""Copying the most similar training patch."""

SHUFFLED = control(
    name="shuffled",
    title="control: ridge regression on colour statistics, trained on the targets of other spots; must score nothing",
    citation="Ojala & Garriga (2010), J. Mach. Learn. Res. 11:1833-1863",
    build=lazy("histobench_heads.controls.shuffled:Shuffled"),
    options=ShuffledOptions,
    targets=ALL_KINDS,
    encoder=_COLOURS,
)
"""Detects leaks."""

ORACLE = control(
    name="oracle",
    title="control: the truth behind the targets, where it is known",
    build=lazy("histobench_heads.controls.oracle:Oracle"),
    options=NoOptions,
    targets=ALL_KINDS,
    needs_oracle=True,
)
"""The highest score that a method can reach."""
