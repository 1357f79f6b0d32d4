"""Encoders made by `histobench pretrain`: ``pretrained:<name>``.

The header of the file names the network, the patches, and the slides and patients it was trained on. Everything else
comes from the record of the encoder that it was initialised from.
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
    """Make the record of a pretrained encoder.

    Parameters
    ----------
    member
        Name of a folder in the folder of weights, or a name that ``--weights`` maps to a file.

    Raises
    ------
    WeightsError
        If no encoder has this name, or its file was not made by `histobench pretrain`.
    """
    weights = Weights(hub_id="", files=(_FILE,), page="`histobench pretrain`")
    located = locate_weights(member, weights)
    if located is None:
        raise WeightsError(
            f"there is no pretrained encoder {member!r}: make one with `histobench pretrain --out "
            f"{weights_root() / member / _FILE}`, or name a file with --weights {member}=FILE."
        )
    return _record(read_facts(located.path), located.path, weights)


def _record(facts: PretrainedFacts, path: Path, weights: Weights) -> TimmEntry:
    entry = ENTRIES.get(facts.encoder)
    if entry is None:
        raise WeightsError(f"{path}: it holds the network of {facts.encoder!r}, but there is no encoder of that name.")
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
