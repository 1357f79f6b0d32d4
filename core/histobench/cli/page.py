"""The page of a method in ``histobench show``: all facts of its card."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from inspect import cleandoc
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from histobench.cli.output import Output
    from histobench.contracts.cards import EncoderSlot, MethodCard

__all__ = ["print_method"]

_UNITS = {"spot": "single spots", "slide": "whole slides", "neighbourhood": "neighbourhoods of spots"}


def print_method(output: "Output", card: "MethodCard") -> None:
    """Print a method's inputs, targets, options and published numbers."""
    from histobench.cli.reproduce import RECORD_HEADER, record_cells

    output.result(f"{card.name}: {card.title}")
    for name, text in _facts(card):
        output.result(f"  {name + ':':<12} {text}")
    defaults = card.options()
    means = _meanings(card.options)
    names = [field.name for field in fields(card.options)]
    rows = [[name, _plain(getattr(defaults, name)), means.get(name, "")] for name in names]
    if rows:
        output.result()
        output.table(rows, ("option", "default", "meaning"), title="options")
    differing = [[where, _settings(options)] for where, options in _published(card) if options]
    if differing:
        output.result()
        output.table(differing, ("where", "options"), title="published options that differ, and presets")
    if card.parameters:
        output.result()
        counts = [[words, f"{n:,}"] for words, n in card.parameters.items()]
        output.table(counts, ("configuration", "parameters"), title="parameters")
    if card.reproductions:
        output.result()
        cells = [record_cells(record) for record in card.reproductions]
        output.table(cells, RECORD_HEADER, title=f"published numbers (`histobench reproduce {card.name} DATASET`)")


def _facts(card: "MethodCard") -> Iterator[tuple[str, str]]:
    """Yield the names and texts of the first lines."""
    facts = {
        "paper": card.citation,
        "code": card.url,
        "licence": card.licence,
        "reads": f"{_UNITS[card.unit]}; {_images(card)}",
        "trains with": ", ".join([*card.auxiliary, *(f"{name} (where available)" for name in card.optional)]),
        "predicts": ", ".join(card.targets),
        "encoder": "" if card.encoder is None else _slot(card.encoder),
        "checkpoints": _checkpoints(card),
        "role": "control: always run" if card.control else "",
        "revision": card.revision,
        "plugin": "" if card.provenance is None else f"{card.provenance.plugin} {card.provenance.version}",
    }
    return ((name, text) for name, text in facts.items() if text)


def _images(card: "MethodCard") -> str:
    """Describe what the method sees of the image."""
    from histobench.contracts.protocols import PatchGeometry

    options, slot = card.options(), card.encoder
    if card.patch is None and slot is None:
        return "no image"
    own = card.patch(options) if card.patch else PatchGeometry(patch_px=getattr(options, "patch_px", 224))
    field = f"{own.field_px} px of the image" if own.mpp is None else f"{own.mpp:g} µm per pixel"
    patches = f"patches of {own.patch_px} × {own.patch_px} px from {field}"
    if slot is None:
        return patches
    shown = [patches] if set(slot.modes) - {"frozen"} else []
    return " or ".join([*shown, *(["embeddings of a frozen encoder"] if "frozen" in slot.modes else [])])


def _slot(slot: "EncoderSlot") -> str:
    parts = [f"{slot.default} ({slot.default_mode}) as published"]
    parts.append("no other" if slot.fixed else f"any other encoder, {' or '.join(slot.modes)}")
    if slot.scratch:
        parts.append(f"{slot.scratch} ({slot.scratch_mode}) where the published weights are not available")
    return "; ".join(parts)


def _checkpoints(card: "MethodCard") -> str:
    if card.convert is None:
        return ""
    return f"convert published ones with `histobench weights convert {card.name} FILE --out NAME.safetensors`"


def _meanings(options: type) -> dict[str, str]:
    """Read the meaning of each option from the docstrings of its class and the base classes."""
    found: dict[str, str] = {}
    for owner in reversed(options.__mro__):
        _, _, described = cleandoc(owner.__doc__ or "").partition("Attributes\n----------\n")
        lines = described.splitlines()
        heads = [number for number, line in enumerate(lines) if line and not line.startswith(" ")]
        for start, end in pairwise([*heads, len(lines)]):
            text = " ".join(line.strip() for line in lines[start + 1 : end] if line).replace("``", "")
            found |= {name.strip(): text for name in lines[start].split(",")}
    return found


def _published(card: "MethodCard") -> Iterator[tuple[str, Mapping[str, Any]]]:  # Any: values of options
    """Yield the condition and the options that it changes, in the order in which they are applied."""
    yield from card.kind_options.items()
    yield from card.dataset_options.items()
    for preset, options in card.presets.items():
        name, _, condition = preset.partition("@")
        yield f"--preset {name}" + (f", {condition}" if condition else ""), options


def _settings(options: Mapping[str, Any]) -> str:  # Any: values of options
    return ", ".join(f"{name}={_plain(value)}" for name, value in options.items())


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return ",".join(map(_plain, value)) if isinstance(value, tuple) else str(value)
