"""The cards of the controls of generation, which always run."""

from histobench import MethodCard, PatchGeometry, lazy
from histobench_heads.frames.cards import OURS
from histobench_heads.generation.options import LookUpOptions, NearestPromptOptions

__all__ = ["NEAREST_PROMPT", "RANDOM_PATCH"]


def _patch(options: LookUpOptions) -> PatchGeometry:
    return PatchGeometry(patch_px=options.patch_px)


RANDOM_PATCH = MethodCard(
    name="random-patch",
    title="control: any training patch, whatever the prompt",
    licence=OURS,
    build=lazy("histobench_heads.generation.method:RandomPatch"),
    options=LookUpOptions,
    targets=("generate",),
    patch=_patch,
    control=True,
)
"""Real patches without a condition."""

NEAREST_PROMPT = MethodCard(
    name="nearest-prompt",
    title="control: the training patch whose expression is nearest to the prompt's",
    licence=OURS,
    citation="Cover & Hart (1967), IEEE Trans. Inf. Theory 13:21-27",
    build=lazy("histobench_heads.generation.method:NearestPrompt"),
    options=NearestPromptOptions,
    targets=("generate",),
    patch=_patch,
    control=True,
)
"""Real patches, conditioned and memorised."""
