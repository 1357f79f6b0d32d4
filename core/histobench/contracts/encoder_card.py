"""The card of an encoder, where its weights come from, and a method's place for one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from histobench.contracts.card import Card
from histobench.contracts.protocols import Encoder, Mode, PatchGeometry

__all__ = ["EncoderCard", "EncoderSlot", "Precision", "Transform", "Weights"]

Precision: TypeAlias = Literal["fp32", "fp16", "bf16"]
"""Numbers that a network computes an embedding in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Where an encoder's weights come from.

    Attributes
    ----------
    hub_id
        Repository on the Hugging Face hub; empty for weights that are published elsewhere.
    files
        File names to look for, the preferred first.
    gated
        True if the hub asks for an account and consent.
    revision
        Branch, tag or commit of the hub's repository.
    page
        Where a person gets weights that are not on the hub.
    digests
        File name → ``algorithm:hexadecimal`` of the published file, where its publisher tells.
    """

    hub_id: str
    files: tuple[str, ...] = ("model.safetensors", "pytorch_model.bin")
    gated: bool = False
    revision: str = "main"
    page: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """What a publication does to an image before its network sees it.

    Attributes
    ----------
    mean, std
        Of red, green and blue in [0, 1].
    resize_px
        Side to which the square image is resampled; ``None`` leaves it as it is.
    crop_px
        Side of the square then cut from its middle; ``None`` for all of it.
    interpolation
        Pillow's filter of that name, whose support grows with the reduction.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize_px: int | None = None
    crop_px: int | None = None
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderCard(Card):
    """An image encoder.

    Attributes
    ----------
    dim
        Width of the embedding; ``None`` if known only once built.
    geometry
        The patch it wants.
    weights
        What must be had before it can be built; ``None`` for an encoder that needs none.
    find_weights
        Says where the weights lie on this machine, fetching them if they may be had; raises ``WeightsError``.
    trainable
        True if `build` returns a ``TrainableEncoder``.
    expand
        For a family such as ``timm:<name>``: makes the card of one member from what follows the colon.
    build
        Takes the geometry to use, or ``None`` for the encoder's own.
    mpps
        Microns per pixel that it was trained at; empty where none are stated.
    transform
        The published one. Patches that are cut as ``geometry`` says need none of its resampling.
    pooling, variants
        How an embedding is taken from the network; and every way there is, and the width that it gives.
    variant
        Makes the card of ``name[variant]``: another pooling, or ``published`` for the transform as published.
    registers
        Tokens between the class token and the patches' that are no part of the image.
    blocks, depth
        How it names its blocks, and how many there are; low-rank adapters go on the last ones.
    precision
        In which its publishers compute embeddings.
    pretrained_on
        Names of the datasets that it has seen, as `DatasetCard.drawn_from` spells them; ``None`` where nobody tells.
    pretrained_patients
        Patients whose slides it has seen, where they are known by name: they are for one that was pretrained here.
    judges
        True for one whose features judge generated patches where no other is asked for; the first whose weights are
        to be had does.
    """

    build: Callable[[PatchGeometry | None], Encoder]
    dim: int | None = None
    params: int | None = None
    geometry: PatchGeometry = field(default_factory=PatchGeometry)
    weights: Weights | None = None
    find_weights: Callable[[], Path] | None = None
    trainable: bool = False
    lora: bool = False
    expand: "Callable[[str], EncoderCard] | None" = None
    mpps: tuple[float, ...] = ()
    transform: Transform | None = None
    pooling: str = ""
    variants: Mapping[str, int] = field(default_factory=dict)
    variant: "Callable[[str], EncoderCard] | None" = None
    registers: int = 0
    blocks: str = ""
    depth: int = 0
    precision: Precision = "fp32"
    pretrained_on: tuple[str, ...] | None = None
    pretrained_patients: tuple[str, ...] = ()
    judges: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSlot:
    """A method's place for an encoder.

    Attributes
    ----------
    default
        The published encoder.
    default_mode
        How the publication trains it.
    modes
        Modes that the method can take.
    scratch
        Encoder used, and named in every result, when the published one's weights are not to be had.
    scratch_mode
        How that one is trained.
    fixed
        True if the method cannot take another encoder.
    """

    default: str
    default_mode: Mode
    modes: tuple[Mode, ...]
    scratch: str | None = None
    scratch_mode: Mode = "full"
    fixed: bool = False
