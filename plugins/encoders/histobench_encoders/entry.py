"""The record of a model: everything that histobench knows of it, and nothing of it asked from timm.

Mean and deviation stand here and not in timm, which answers 0.5 for many a bare architecture; tokens are pooled as
the authors say. From one record follow the card, the network, the transform and how a published file is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from histobench import PatchGeometry, Transform, Weights

__all__ = ["HEST", "IMAGENET_MEAN", "IMAGENET_STD", "Builder", "Format", "Pooling", "Precision", "TimmEntry"]

Pooling: TypeAlias = Literal["cls", "mean", "cls+mean", "gap", "projected", "attention", "own"]
"""How an embedding is taken from a network.

Class token; mean of the patch tokens; both side by side; mean over the feature map; class token through CLIP's
projection; the model's attention pool; whatever timm's own forward gives.
"""

Builder: TypeAlias = Literal["timm", "conch", "ctranspath", "stage"]
"""What makes the network: timm as it is; with an attention pool; with a convolutional stem; up to one stage."""

Format: TypeAlias = Literal["timm", "hf-vit", "hf-dinov2", "hf-clip", "dinov2", "swin", "conch"]
"""Layouts of published files, as `remaps` translates them."""

Precision: TypeAlias = Literal["fp32", "fp16", "bf16"]
"""Numbers that a network computes an embedding in."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Of red, green and blue in [0, 1]."""

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of red, green and blue in [0, 1]."""

HEST = PatchGeometry(patch_px=224, mpp=0.5)
"""The patches of the HEST benchmark, 112 µm wide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimmEntry:
    """A model built by timm, or of timm's parts, and what timm does not say.

    Attributes
    ----------
    arch
        timm's name of the architecture.
    pooling, dim
        The authors' pooling and the width it gives; ``None`` if known only once built.
    variants
        Every pooling there is → its width.
    params
        Number of parameters at its own side; ``None`` if known only once built.
    kwargs
        For ``timm.create_model``; a class is written as the name `networks` knows it by.
    sides
        Sides, in pixels, whose position embeddings a published file may hold, the nominal first.
    mean, std, resize_px, crop_px, interpolation
        The published transform; the last three only act where ``as_published`` is set.
    patch_px, mpp, mpps
        The patch it wants, and the microns per pixel that it was trained at.
    token_px
        Side of a ViT's patch token; the image must be a multiple of it. ``None`` for any other network.
    fixed_px
        Side to which images are resampled for a network that takes no other; ``None`` if it takes any.
    registers
        Tokens between the class token and those of the image.
    blocks, depth
        How a network names its last blocks, and how many there are; empty where adapters make no sense.
    weights
        Where they are published; ``None`` for a network that starts from random weights.
    formats
        Layouts that its published files have, the first to recognise a file reads it.
    head
        Beginnings of the keys in the published file that belong to the classifier and are left out.
    converts
        True to let timm translate the keys of its own published file; else they must match as they are.
    classes
        Number of classes of the classifier in such a file; ``None`` to let timm say.
    pretrained_on
        Datasets seen in training; ``None`` where nobody tells.
    pretrained_patients
        Patients seen in training, where they are known by name.
    symmetries
        True to embed, in evaluation, the mean over the eight symmetries of the square.
    """

    arch: str
    pooling: Pooling
    title: str = ""
    citation: str = ""
    licence: str = ""
    url: str = ""
    builder: Builder = "timm"
    dim: int | None = None
    variants: Mapping[str, int] = field(default_factory=dict)
    params: int | None = None
    kwargs: Mapping[str, object] = field(default_factory=dict)
    sides: tuple[int, ...] = (224,)
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    resize_px: int | None = None
    crop_px: int | None = None
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    as_published: bool = False
    patch_px: int = 224
    mpp: float | None = None
    mpps: tuple[float, ...] = ()
    token_px: int | None = None
    fixed_px: int | None = None
    registers: int = 0
    blocks: str = ""
    depth: int = 0
    precision: Precision = "fp32"
    weights: Weights | None = None
    formats: tuple[Format, ...] = ("timm",)
    head: tuple[str, ...] = ()
    converts: bool = False
    classes: int | None = None
    pretrained_on: tuple[str, ...] | None = None
    pretrained_patients: tuple[str, ...] = ()
    symmetries: bool = False

    @property
    def geometry(self) -> PatchGeometry:
        """The patch it wants."""
        return PatchGeometry(patch_px=self.patch_px, mpp=self.mpp)

    @property
    def transform(self) -> Transform:
        """The published transform."""
        return Transform(
            mean=self.mean,
            std=self.std,
            resize_px=self.resize_px,
            crop_px=self.crop_px,
            interpolation=self.interpolation,
        )

    def random(self, **kwargs: object) -> "TimmEntry":
        """Make the record of the same network with random weights, with further arguments of its own."""
        return replace(self, weights=None, pretrained_on=(), kwargs={**self.kwargs, **kwargs})

    def pooled(self, pooling: Pooling) -> "TimmEntry":
        """Make the record of the same network with another of its poolings."""
        return replace(self, pooling=pooling, dim=self.variants[pooling])

    def for_hest(self) -> "TimmEntry":
        """Make the record that takes the HEST benchmark's patches through the published transform."""
        return replace(self, as_published=True, patch_px=HEST.patch_px, mpp=HEST.mpp)
