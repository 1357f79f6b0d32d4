"""Encoders that `histobench pretrain` made: ``pretrained:<name>``.

The file's header says which network it holds, which patches it was given and whose slides it has seen; all else is the
record of the encoder that it began as.
"""

from dataclasses import replace
from pathlib import Path

from histobench import Weights, WeightsError
from histobench.weights import PretrainedFacts, locate_weights, read_facts, weights_root
from histobench_encoders.entries import ENTRIES
from histobench_encoders.entry import TimmEntry

__all__ = ["describe_pretrained"]

_FILE = "model.safetensors"


def describe_pretrained(member: str) -> TimmEntry:
    """Make the record of one such encoder.

    Parameters
    ----------
    member
        Folder in the folder of weights, or the name that a file is given outright.

    Raises
    ------
    WeightsError
        If there is none of that name, or its file was made otherwise.
    """
    weights = Weights(hub_id="", files=(_FILE,), page="`histobench pretrain`")
    located = locate_weights(member, weights)
    if located is None:
        raise WeightsError(
            f"there is no pretrained encoder {member!r}: `histobench pretrain --out {weights_root() / member / _FILE}` "
            f"makes one, and --weights {member}=FILE names a file that lies elsewhere."
        )
    return _record(read_facts(located.path), located.path, weights)


def _record(facts: PretrainedFacts, path: Path, weights: Weights) -> TimmEntry:
    entry = ENTRIES.get(facts.encoder)
    if entry is None:
        raise WeightsError(
            f"{path}: it holds the network of {facts.encoder!r}, and no encoder of ours goes by that name."
        )
    slides = sum(len(slides) for slides in facts.slides.values())
    return replace(
        entry,
        title=f"{facts.encoder} pretrained by {facts.method} on {slides} slides of {', '.join(facts.slides)}",
        licence="yours",
        sides=(facts.patch.patch_px,) if entry.token_px else entry.sides,
        patch_px=facts.patch.patch_px,
        mpp=facts.patch.mpp,
        mpps=() if facts.patch.mpp is None else (facts.patch.mpp,),
        weights=weights,
        formats=("timm",),
        head=(),
        converts=False,
        pretrained_on=facts.seen,
        pretrained_patients=facts.patients,
    )
