"""The cards of the controls of generation, which always run."""

from histobench import PatchGeometry, lazy
from histobench_heads.frames.cards import control
from histobench_heads.generation.options import LookUpOptions, NearestPromptOptions

__all__ = ["NEAREST_PROMPT", "RANDOM_PATCH"]


def _patch(options: LookUpOptions) -> PatchGeometry:
    return PatchGeometry(patch_px=options.patch_px)


RANDOM_PATCH = control(
    name="random-patch",
    title="control: any training patch, whatever the prompt",
    build=lazy("histobench_heads.generation.method:RandomPatch"),
    options=LookUpOptions,
    targets=("generate",),
    patch=_patch,
)
"""Real patches without a condition."""

NEAREST_PROMPT = control(
    name="nearest-prompt",
    title="control: the training patch whose expression is nearest to the prompt's",
    citation="Cover & Hart (1967), IEEE Trans. Inf. Theory 13:21-27",
    build=lazy("histobench_heads.generation.method:NearestPrompt"),
    options=NearestPromptOptions,
    targets=("generate",),
    patch=_patch,
)
"""Real patches, conditioned and memorised."""
