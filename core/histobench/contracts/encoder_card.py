"""The card of an encoder, the source of its weights, and the encoder slot of a method."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from histobench.contracts.card import Card
from histobench.contracts.protocols import Encoder, Mode, PatchGeometry

__all__ = ["EncoderCard", "EncoderSlot", "Precision", "Transform", "Weights"]

Precision: TypeAlias = Literal["fp32", "fp16", "bf16"]
"""Number formats for computing embeddings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Where an encoder's weights come from.

    Attributes
    ----------
    hub_id
        Repository on the Hugging Face hub; empty for weights that are published elsewhere.
    files
        File names to look for, in order of preference.
    gated
        True if the hub asks for an account and consent.
    revision
        Branch, tag or commit of the hub's repository.
    page
        Web page with weights that are not on the hub.
    digests
        File name → ``algorithm:hexadecimal`` of the published file, if its publisher states it.
    """

    hub_id: str
    files: tuple[str, ...] = ("model.safetensors", "pytorch_model.bin")
    gated: bool = False
    revision: str = "main"
    page: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """The published preprocessing of an image.

    Attributes
    ----------
    mean, std
        Of red, green and blue in [0, 1].
    resize_px
        Side to which the square image is resampled; ``None`` for no resampling.
    crop_px
        Side of the square that is then cut from the centre; ``None`` for all of it.
    interpolation
        Pillow's filter of that name, which is antialiased.
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
        Width of the embedding; ``None`` if it is known only after building.
    geometry
        The patch that it needs.
    weights
        The weights that it needs; ``None`` if it needs none.
    find_weights
        Returns the path of the weights and downloads them if possible; raises ``WeightsError``.
    trainable
        True if `build` returns a ``TrainableEncoder``.
    expand
        For a family such as ``timm:<name>``: makes the card of one member from the text after the colon.
    build
        Takes the geometry to use, or ``None`` for the encoder's own.
    mpps
        Microns per pixel of its training; empty if not stated.
    transform
        The published one. Patches with the card's ``geometry`` need no resampling.
    pooling, variants
        How an embedding is taken from the network; and all ways, each with its width.
    variant
        Makes the card of ``name[variant]``: another pooling, or ``published`` for the transform as published.
    registers
        Tokens between the class token and the patch tokens that do not belong to the image.
    blocks, depth
        The name of its blocks, and their number; low-rank adapters are added to the last ones.
    precision
        The number format that its publishers use.
    pretrained_on
        Names of the datasets of its training, as in `DatasetCard.drawn_from`; ``None`` if unknown.
    pretrained_patients
        Patients of its training, for an encoder that was pretrained with ``histobench pretrain``.
    judges
        True if its features may judge generated patches by default; the first one whose weights are available does.
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
    """The encoder slot of a method.

    Attributes
    ----------
    default
        The published encoder.
    default_mode
        How the publication trains it.
    modes
        Modes that the method can take.
    scratch
        Encoder to use, and to name in every result, when the published weights are not available.
    scratch_mode
        How the scratch encoder is trained.
    fixed
        True if the method cannot take another encoder.
    """

    default: str
    default_mode: Mode
    modes: tuple[Mode, ...]
    scratch: str | None = None
    scratch_mode: Mode = "full"
    fixed: bool = False
