"""The record of a model: all that histobench knows about it, without asking timm.

Mean and deviation are part of the record, because timm returns 0.5 for many architectures without weights. Tokens are
pooled as the authors recommend. The card, the network, the transform and the reading of published files are all derived
from the record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from histobench import PatchGeometry, Transform, Weights

__all__ = ["HEST", "IMAGENET_MEAN", "IMAGENET_STD", "Builder", "Format", "Pooling", "Precision", "TimmEntry"]

Pooling: TypeAlias = Literal["cls", "mean", "cls+mean", "gap", "projected", "attention", "own"]
"""How an embedding is computed from a network's features.

In order: class token; mean of the patch tokens; both concatenated; mean over the feature map; class token after CLIP's
projection; the model's attention pool; the output of timm's own ``forward``.
"""

Builder: TypeAlias = Literal["timm", "conch", "ctranspath", "stage"]
"""How the network is built: by timm; with an attention pool; with a convolutional stem; up to one stage."""

Format: TypeAlias = Literal["timm", "hf-vit", "hf-dinov2", "hf-clip", "dinov2", "swin", "conch"]
"""Layouts of published files, which `remaps` translates."""

Precision: TypeAlias = Literal["fp32", "fp16", "bf16"]
"""The number format in which a network computes embeddings."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of red, green and blue in [0, 1]."""

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of red, green and blue in [0, 1]."""

HEST = PatchGeometry(patch_px=224, mpp=0.5)
"""The patches of the HEST benchmark, 112 µm wide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimmEntry:
    """A model built by timm or from timm's parts, with the facts that timm does not provide.

    Attributes
    ----------
    arch
        timm's name of the architecture.
    pooling, dim
        The authors' pooling and the width of the embedding; ``None`` if known only after building.
    variants
        Available pooling → width of its embedding.
    params
        Number of parameters at the nominal side; ``None`` if known only after building.
    kwargs
        For ``timm.create_model``; classes are written as their names in `networks`.
    sides
        Image sides, in pixels, for which a published file may hold position embeddings, the nominal side first.
    mean, std, resize_px, crop_px, interpolation
        The published transform; the last three are used only if ``as_published`` is set.
    patch_px, mpp, mpps
        Side and microns per pixel of its patches, and all microns per pixel that it was trained at.
    token_px
        Side of a ViT's patch token; the image side must be a multiple of it. ``None`` for any other network.
    fixed_px
        Side to which images are resampled for a network with a fixed input size; ``None`` if it takes any size.
    registers
        Number of tokens between the class token and those of the image.
    blocks, depth
        The name pattern of the network's last blocks, and their number; empty if adapters do not apply.
    weights
        Where they are published; ``None`` for a network that starts from random weights.
    formats
        Layouts of its published files; a file is read in the first layout that recognises it.
    head
        Prefixes of the keys in the published file that belong to the classifier and are left out.
    converts
        True to let timm translate the keys of its own published file; otherwise they must match unchanged.
    classes
        Number of classes of the classifier in a converted file; ``None`` for timm's number.
    pretrained_on
        Datasets seen in training; ``None`` if unknown.
    pretrained_patients
        Patients seen in training, if they are known by name.
    symmetries
        True to average over the eight symmetries of the square in evaluation.
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
        """The patches that the model takes."""
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
        """Return the record of the same network with random weights and further arguments."""
        return replace(self, weights=None, pretrained_on=(), kwargs={**self.kwargs, **kwargs})

    def pooled(self, pooling: Pooling) -> "TimmEntry":
        """Return the record of the same network with another of its poolings."""
        return replace(self, pooling=pooling, dim=self.variants[pooling])

    def for_hest(self) -> "TimmEntry":
        """Return the record with the patches of the HEST benchmark and the published transform."""
        return replace(self, as_published=True, patch_px=HEST.patch_px, mpp=HEST.mpp)
