"""Any model of timm, by its own name: ``resnet34``, ``resnet34.a1_in1k``, ``resnet34.random``.

The one place where normalisation and input side are asked from timm: such a model has no record of ours, and the
published configuration of its very weights is all there is. Networks of one fixed input side get their patches
resampled to it.
"""

import difflib
from dataclasses import replace
from typing import Any

import timm

from histobench import ConfigError, Weights
from histobench_encoders.entries import TimmEntry

__all__ = ["describe"]

_RANDOM = ".random"


def describe(member: str) -> tuple[TimmEntry, int]:
    """Make the record of one member of the family, and say which side its patches have, in pixels.

    Raises
    ------
    ConfigError
        If timm has no such model, or publishes no weights for it.
    """
    name = member.removesuffix(_RANDOM)
    facts = _facts(name)
    patch_px = facts.input_size[-1]
    entry = TimmEntry(arch=name, pooling="own", fixed_px=patch_px if facts.fixed_input_size else None)
    if member.endswith(_RANDOM):
        return entry, patch_px
    if not facts.hf_hub_id:
        raise ConfigError(f"timm publishes no weights for {name!r}; take 'timm:{name}{_RANDOM}' to start at random.")
    files = (facts.hf_hub_filename,) if facts.hf_hub_filename else Weights(hub_id="").files
    published = Weights(hub_id=facts.hf_hub_id, files=files)
    return replace(entry, mean=facts.mean, std=facts.std, weights=published, converts=True), patch_px


def _facts(name: str) -> Any:  # Any: timm's PretrainedCfg, which has no types of its own here
    try:
        return timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError as error:
        near = difflib.get_close_matches(name, [*timm.list_models(), *timm.list_pretrained()], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"timm has no model named {name!r}.{hint} timm.list_pretrained() names them all.") from error
