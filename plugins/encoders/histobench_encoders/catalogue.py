"""The cards of the built-in encoders.

=================================  ======================================  ==========================
name                               network                                 weights
=================================  ======================================  ==========================
vit-tiny, vit-small                ViT, 16-pixel tokens                    from scratch
resnet18, resnet50, densenet121    .imagenet or .random after the name     ImageNet; random
uni, virchow2                      ViT-L/16; ViT-H/14 with 4 registers     pathology, gated
colour-stats                       none                                    none needed
timm:<name>[.random]               any that timm has                       timm's; random
=================================  ======================================  ==========================
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from histobench import ConfigError, Encoder, EncoderCard, PatchGeometry, Weights
from histobench_encoders.entries import ENTRIES, TimmEntry

__all__ = ["CARDS"]

_TIMM = "Wightman (2019), PyTorch Image Models, doi:10.5281/zenodo.4414861"
_VIT = "Dosovitskiy et al. (2021), An image is worth 16×16 words, ICLR"
_RESNET = "He et al. (2016), Deep residual learning for image recognition, CVPR"
_DENSENET = "Huang et al. (2017), Densely connected convolutional networks, CVPR"
_UNI = "Chen et al. (2024), Towards a general-purpose foundation model for computational pathology, Nat. Med. 30"
_VIRCHOW2 = "Zimmermann et al. (2024), Virchow2, arXiv:2408.00738"
_COLOUR = "Ruifrok & Johnston (2001), Quantification of histochemical staining by color deconvolution"
_NON_COMMERCIAL = "CC-BY-NC-ND-4.0"
_FREE = "Apache-2.0"  # timm's code; there are no weights
_BSD = "BSD-3-Clause"
_AT_TIMM = "https://github.com/huggingface/pytorch-image-models"


def _card(
    name: str, title: str, *, citation: str, licence: str, url: str = _AT_TIMM, mpp: float | None = None
) -> EncoderCard:
    entry = ENTRIES[name]
    return EncoderCard(
        name=name,
        title=title,
        url=url,
        licence=licence,
        citation=citation,
        dim=entry.dim,
        params=entry.params,
        geometry=PatchGeometry(mpp=mpp),
        weights=entry.weights,
        find_weights=partial(_find_weights, name, entry.weights) if entry.weights else None,
        trainable=True,
        lora=bool(entry.blocks),
        build=partial(_build, name, entry, PatchGeometry(mpp=mpp)),
    )


def _find_weights(name: str, weights: Weights) -> Path:
    from histobench_encoders.weights import find_weights

    return find_weights(name, weights)


def _build(name: str, entry: TimmEntry, own: PatchGeometry, geometry: PatchGeometry | None) -> Encoder:
    from histobench_encoders.timm_encoder import TimmEncoder

    weights = _find_weights(name, entry.weights) if entry.weights else None
    return TimmEncoder(name, entry, geometry=geometry or own, weights=weights)


def _build_colour_stats(geometry: PatchGeometry | None) -> Encoder:
    from histobench_encoders.colour_stats import ColourStats

    return ColourStats(geometry or PatchGeometry())


def _build_family(_geometry: PatchGeometry | None) -> Encoder:
    raise ConfigError("'timm:<name>' stands for a family; name one model, such as 'timm:resnet34'.")


def _expand(member: str) -> EncoderCard:
    from histobench_encoders.timm_family import describe

    entry, patch_px = describe(member)
    name = f"timm:{member}"
    geometry = PatchGeometry(patch_px=patch_px)
    return replace(
        _FAMILY,
        name=name,
        title=f"{entry.arch} as timm has it" + ("" if entry.weights else ", random weights"),
        url=f"https://huggingface.co/{entry.weights.hub_id}" if entry.weights else _AT_TIMM,
        geometry=geometry,
        weights=entry.weights,
        find_weights=partial(_find_weights, name, entry.weights) if entry.weights else None,
        expand=None,
        build=partial(_build, name, entry, geometry),
    )


_FAMILY = EncoderCard(
    name="timm:<name>",
    title="Any model of timm by its name; '.random' after it for random weights",
    url=_AT_TIMM,
    licence="as the model's page says",
    citation=_TIMM,
    trainable=True,
    expand=_expand,
    build=_build_family,
)

CARDS: tuple[EncoderCard, ...] = (
    _card("vit-tiny", "ViT-Ti/16 from scratch", citation=_VIT, licence=_FREE),
    _card("vit-small", "ViT-S/16 from scratch", citation=_VIT, licence=_FREE),
    _card("resnet18.imagenet", "ResNet-18, ImageNet weights", citation=_RESNET, licence=_BSD),
    _card("resnet18.random", "ResNet-18, random weights", citation=_RESNET, licence=_FREE),
    _card("resnet50.imagenet", "ResNet-50, ImageNet weights", citation=_RESNET, licence=_BSD),
    _card("resnet50.random", "ResNet-50, random weights", citation=_RESNET, licence=_FREE),
    _card("densenet121.imagenet", "DenseNet-121, ImageNet weights", citation=_DENSENET, licence=_BSD),
    _card("densenet121.random", "DenseNet-121, random weights", citation=_DENSENET, licence=_FREE),
    _card(
        "uni",
        "UNI: ViT-L/16 trained on 100,000 slides; class token",
        citation=_UNI,
        licence=_NON_COMMERCIAL,
        url="https://huggingface.co/MahmoodLab/UNI",
        mpp=0.5,
    ),
    # At its own 0.5 µm per pixel. The published abundance methods feed it 224 pixels of the full-resolution image
    # instead; a study that wants that hands `build` the geometry.
    _card(
        "virchow2",
        "Virchow2: ViT-H/14 with registers trained on 3.1 million slides; class token and patch mean",
        citation=_VIRCHOW2,
        licence=_NON_COMMERCIAL,
        url="https://huggingface.co/paige-ai/Virchow2",
        mpp=0.5,
    ),
    EncoderCard(
        name="colour-stats",
        title="Mean, deviation and histogram of red, green, blue and the stains",
        url="https://scikit-image.org/docs/stable/api/skimage.color.html",
        licence=_BSD,
        citation=_COLOUR,
        dim=60,
        params=0,
        build=_build_colour_stats,
    ),
    _FAMILY,
)
"""What `register_encoders` returns; of a network's variants the pretrained one comes first."""
