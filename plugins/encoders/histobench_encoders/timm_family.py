"""Any model of timm by its own name, and any model on the hub in timm's format.

``timm:resnet34``, ``timm:resnet34.a1_in1k``, ``timm:resnet34.random``; ``hf-hub:owner/model``. Only here, normalisation
and input side are taken from timm or from the hub's ``config.json``, because these models have no record. For networks
with a fixed input side, patches are resampled to it. A model with a card is refused, because a ``config.json`` does not
hold everything that is in its record.
"""

import difflib
import json
from dataclasses import replace
from typing import Any, Literal

import timm

from histobench import ConfigError, Weights, WeightsError
from histobench.weights import find_file
from histobench_encoders.entries import ENTRIES
from histobench_encoders.entry import TimmEntry

__all__ = ["describe", "describe_hub"]

_RANDOM = ".random"


def describe(member: str) -> TimmEntry:
    """Make the record of a timm model.

    Raises
    ------
    ConfigError
        If timm does not have the model, or publishes no weights for it.
    """
    name = member.removesuffix(_RANDOM)
    facts = _facts(name)
    patch_px = facts.input_size[-1]
    entry = TimmEntry(
        arch=name,
        pooling="own",
        title=f"{name} as in timm",
        interpolation=_interpolation(facts.interpolation),
        patch_px=patch_px,
        fixed_px=patch_px if facts.fixed_input_size else None,
    )
    if member.endswith(_RANDOM):
        return replace(entry, title=f"{entry.title}, random weights", pretrained_on=())
    if not facts.hf_hub_id:
        raise ConfigError(f"timm publishes no weights for {name!r}; use 'timm:{name}{_RANDOM}' for random weights.")
    files = (facts.hf_hub_filename,) if facts.hf_hub_filename else Weights(hub_id="").files
    published = Weights(hub_id=facts.hf_hub_id, files=files)
    return replace(entry, mean=facts.mean, std=facts.std, weights=published, converts=True)


def describe_hub(member: str) -> TimmEntry:
    """Make the record of a model in timm's format on the hub or in a folder of weights.

    Parameters
    ----------
    member
        ``owner/model``.

    Raises
    ------
    ConfigError
        If the model has a card, or timm does not have its architecture.
    WeightsError
        If its ``config.json`` is missing or invalid.
    """
    own = [name for name, entry in ENTRIES.items() if entry.weights is not None and entry.weights.hub_id == member]
    if own:
        raise ConfigError(f"use encoder {own[0]!r}: its card has facts that the configuration of {member!r} lacks.")
    weights = Weights(hub_id=member)
    path = find_file(f"hf-hub:{member}", weights, "config.json")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        arch, arguments = config["architecture"], dict(config.get("model_args") or {})
        facts = {**config, **(config.get("pretrained_cfg") or {})}
        patch_px = int(facts["input_size"][-1])
        mean, std = _three(facts["mean"]), _three(facts["std"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise WeightsError(f"{path}: not the configuration of a model in timm's format: {error!r}.") from error
    if not timm.is_model(arch):
        raise ConfigError(f"{path}: timm has no architecture named {arch!r}.")
    return TimmEntry(
        arch=arch,
        pooling="own",
        title=f"{arch} from {member}",
        kwargs=arguments,
        mean=mean,
        std=std,
        interpolation=_interpolation(facts.get("interpolation", "")),
        patch_px=patch_px,
        fixed_px=patch_px if facts.get("fixed_input_size") else None,
        weights=weights,
        converts=True,
        classes=int(facts.get("num_classes") or 0),
    )


def _facts(name: str) -> Any:  # Any: timm's PretrainedCfg, which is untyped
    try:
        return timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError as error:
        near = difflib.get_close_matches(name, [*timm.list_models(), *timm.list_pretrained()], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"timm has no model named {name!r}.{hint} timm.list_pretrained() lists all.") from error


def _three(values: Any) -> tuple[float, float, float]:  # Any: JSON
    red, green, blue = values
    return float(red), float(green), float(blue)


def _interpolation(name: str) -> Literal["bilinear", "bicubic"]:
    return "bilinear" if name == "bilinear" else "bicubic"
