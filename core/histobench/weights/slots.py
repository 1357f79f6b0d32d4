"""A method's encoder slot: which encoder fills it, in which mode, and where its weights are.

A scratch encoder never replaces an encoder with missing weights silently: the choice carries the name of the replaced
encoder into every result.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from histobench.contracts.cards import DatasetCard, EncoderCard, EncoderSlot
from histobench.contracts.protocols import Mode, Options, PatchGeometry
from histobench.contracts.registry import Registry
from histobench.errors import ConfigError, WeightsError, did_you_mean, explain
from histobench.weights.locate import weights_hash

__all__ = ["MODES", "EncoderChoice", "asked_encoder", "converted_encoder", "judging_encoder", "published_encoder"]

MODES: tuple[Mode, ...] = get_args(Mode)
"""The modes of an encoder slot, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderChoice:
    """An encoder for a method's slot, and the name of the published encoder that it replaces, if any."""

    card: EncoderCard
    mode: Mode
    weights: Path | None = None
    stands_in_for: str | None = None

    def geometry(self, options: Options) -> PatchGeometry:
        """Return the patch to cut.

        A frozen encoder receives the magnification that it was trained at. An encoder in training reads 224 pixels of
        the full-resolution image, as every published abundance method does, resized to the method's ``patch_px``.
        """
        if self.mode == "frozen":
            return self.card.geometry
        return PatchGeometry(patch_px=getattr(options, "patch_px", self.card.geometry.patch_px))

    def contamination(self, dataset: DatasetCard, patients: Iterable[str]) -> tuple[str, ...]:
        """Return the image collections that were used in pretraining and contain the test slides.

        Parameters
        ----------
        patients
            The patients of the test slides. If an encoder lists the patients that it has seen, it is clean on the other
            patients of that dataset.
        """
        seen = set(self.card.pretrained_on or ())
        shared = [name for name in dict.fromkeys((dataset.name, *dataset.drawn_from)) if name in seen]
        known = set(self.card.pretrained_patients)
        if known and not known.intersection(patients):
            shared = [name for name in shared if name != dataset.name]
        return tuple(shared)

    def weights_hash(self) -> str:
        """Hash the weights' file; empty for random weights."""
        if self.weights is None:
            return ""
        return weights_hash(self.weights)[:16]


def published_encoder(registry: Registry, slot: EncoderSlot) -> EncoderChoice:
    """Choose the published encoder, or the slot's scratch encoder if its weights are not available.

    Raises
    ------
    WeightsError
        If they are not available and the slot has no scratch encoder.
    """
    try:
        return _resolve(registry, slot.default, slot.default_mode)
    except WeightsError:
        if slot.scratch is None:
            raise
        found = _resolve(registry, slot.scratch, slot.scratch_mode)
        return replace(found, stands_in_for=slot.default)


def asked_encoder(registry: Registry, slot: EncoderSlot, asked: str) -> EncoderChoice | str:
    """Choose the ``name`` or ``name@mode`` that the user requested, or return the reason why it does not fit the slot.

    Raises
    ------
    UnknownNameError
        If there is no such encoder or mode.
    WeightsError
        If its weights are not available: an encoder that was requested by name is never replaced.
    """
    name, _, mode = asked.partition("@")
    if mode and mode not in MODES:
        raise did_you_mean("mode of an encoder", mode, MODES)
    found = _resolve(registry, name, slot.default_mode)
    chosen = next((known for known in MODES if known == mode), None) or _natural_mode(slot, found.card)
    if chosen not in slot.modes:
        return f"it takes an encoder {' or '.join(slot.modes)}, not {chosen}"
    if chosen != "frozen" and not found.card.trainable:
        return f"{found.card.name!r} has nothing to train"
    if chosen == "lora" and not found.card.lora:
        return f"low-rank adapters do not apply to {found.card.name!r}"
    return replace(found, mode=chosen)


def converted_encoder(registry: Registry, slot: EncoderSlot, name: str, mode: Mode | None) -> EncoderChoice:
    """Choose the encoder that a published checkpoint was trained with, and never another in its place.

    If the encoder was trained in full, the checkpoint has all its weights, and only its network is needed.

    Raises
    ------
    ConfigError
        If the encoder does not fit the slot.
    WeightsError
        If weights that are not in the checkpoint are not available either.
    """
    if mode == "full":
        variants = registry.encoders.variants(name.partition(".")[0])  # other weights of the same network
        name = next((card.name for card in variants if card.find_weights is None), name)
    choice = asked_encoder(registry, slot, f"{name}@{mode}" if mode else name)
    if isinstance(choice, str):
        raise ConfigError(f"the checkpoint's encoder {name!r} does not fit: {choice}.")
    if choice.mode != "full" and choice.stands_in_for:
        _find_weights(registry.encoders.get(choice.stands_in_for))  # raises, with the place where they belong
    if choice.mode == "lora" and choice.weights is None:
        raise ConfigError(
            f"the checkpoint has only adapters, and {name!r} has no pretrained weights to adapt: name the encoder "
            f"that was adapted."
        )
    return choice


def judging_encoder(registry: Registry, asked: str | None) -> EncoderChoice:
    """Choose the frozen encoder whose features judge generated patches.

    By default it is the first encoder whose card allows this and whose weights are available; one that needs no
    weights comes last.

    Raises
    ------
    ConfigError
        If no installed encoder allows this.
    UnknownNameError
        If there is no encoder with the requested name.
    WeightsError
        If its weights are not available.
    """
    if asked is not None:
        return _resolve(registry, asked, "frozen")
    for card in sorted(registry.encoders, key=lambda card: card.weights is None):
        if card.judges:
            try:
                return _resolve(registry, card.name, "frozen")
            except WeightsError:
                continue
    raise ConfigError("no installed encoder is meant to judge generated patches: name one with --judge ENCODER.")


def _natural_mode(slot: EncoderSlot, card: EncoderCard) -> Mode:
    """Return the published mode, but train a scratch encoder, and freeze an encoder that cannot be trained."""
    if not card.trainable and "frozen" in slot.modes:
        return "frozen"
    if card.weights is None and slot.scratch_mode in slot.modes:
        return slot.scratch_mode
    if slot.default_mode == "lora" and not card.lora:
        return "frozen" if "frozen" in slot.modes else "full"
    return slot.default_mode


def _resolve(registry: Registry, name: str, mode: Mode) -> EncoderChoice:
    """Find an encoder and its weights; a bare ``resnet18`` is its first variant with available weights."""
    variants = [] if name in registry.encoders.cards else registry.encoders.variants(name)
    candidates = variants or [registry.encoders.get(name)]
    for card in candidates:
        try:
            weights = _find_weights(card)
        except WeightsError:
            if card is candidates[-1]:
                raise
            continue
        stands_in_for = None if card is candidates[0] else candidates[0].name
        return EncoderChoice(card=card, mode=mode, weights=weights, stands_in_for=stands_in_for)
    raise did_you_mean("encoder", name, registry.encoders.cards)


def _find_weights(card: EncoderCard) -> Path | None:
    if card.find_weights is None:
        return None
    try:
        path = card.find_weights()
    except WeightsError:
        raise
    except Exception as error:
        raise WeightsError(f"the weights of {card.name!r} cannot be located: {explain(error)}") from error
    if not path.is_file():
        raise WeightsError(f"the weights of {card.name!r} should be at {str(path)!r}, and there is no such file.")
    return path
