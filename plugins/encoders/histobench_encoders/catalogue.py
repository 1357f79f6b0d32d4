"""The cards of the built-in encoders: one for each record in `entries`, three families, and the colours.

================================  ==============================================  ==============================
name                              network                                         weights
================================  ==============================================  ==============================
vit-tiny, vit-small, vit-base     ViT, 16-pixel tokens                            from scratch
resnet18, resnet50, densenet121   .imagenet or .random after the name             ImageNet; random
virchow, uni, conch-v1, …         pathology models (`models`)                     published, many of them gated
colour-stats                      none                                            none needed
inception-v3                      the network of 2015 that FID is quoted with     published, by hand
timm:<name>[.random]              any that timm has                               timm's; random
hf-hub:<owner/model>              any that the hub has in timm's format           the hub's
pretrained:<name>                 any that `histobench pretrain` made             your own
================================  ==============================================  ==============================

``encoder[pooling]`` takes another pooling, ``encoder[hest]`` the HEST benchmark's patches and the published transform,
``encoder[tta]`` the mean over a patch's eight symmetries, in test; ``encoder[pooling][tta]`` both.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from histobench import ConfigError, Encoder, EncoderCard, PatchGeometry, Weights
from histobench_encoders.entries import ENTRIES
from histobench_encoders.entry import TimmEntry

__all__ = ["CARDS"]

_TIMM = "Wightman (2019), PyTorch Image Models, doi:10.5281/zenodo.4414861"
_COLOUR = "Ruifrok & Johnston (2001), Quantification of histochemical staining by color deconvolution"
_AT_TIMM = "https://github.com/huggingface/pytorch-image-models"
_HUB = "https://huggingface.co"
_AS_ITS_PAGE = "as the model's page says"
_HEST, _TTA = "hest", "tta"


def _card(name: str, entry: TimmEntry, *, stem: str | None = None) -> EncoderCard:
    """Make the card of a record; ``stem`` is the name that its weights go by, where that is another."""
    stem = stem or name
    find = partial(_find_weights, stem, entry.weights) if entry.weights else None
    return EncoderCard(
        name=name,
        title=entry.title,
        url=entry.url or (f"{_HUB}/{entry.weights.hub_id}" if entry.weights else _AT_TIMM),
        licence=entry.licence or _AS_ITS_PAGE,
        citation=entry.citation or _TIMM,
        dim=entry.dim,
        params=entry.params,
        geometry=entry.geometry,
        weights=entry.weights,
        find_weights=find,
        trainable=True,
        lora=bool(entry.blocks),
        mpps=entry.mpps,
        transform=entry.transform,
        pooling=entry.pooling,
        variants=entry.variants,
        variant=partial(_variant, name, entry, stem),
        registers=entry.registers,
        blocks=entry.blocks,
        depth=entry.depth,
        precision=entry.precision,
        pretrained_on=entry.pretrained_on,
        pretrained_patients=entry.pretrained_patients,
        judges=name == _JUDGE,
        build=partial(_build, name, entry, find),
    )


def _variant(name: str, entry: TimmEntry, stem: str, asked: str) -> EncoderCard:
    if asked == _TTA:
        varied = replace(entry, symmetries=True)
    elif asked == _HEST and entry.variants:
        varied = entry.for_hest()
    else:
        pooling = next((known for known in entry.variants if known == asked), None)
        if pooling is None:
            offered = (*entry.variants, _HEST, _TTA) if entry.variants else (_TTA,)
            known = ", ".join(f"{name}[{variant}]" for variant in offered)
            raise ConfigError(f"encoder {name!r} has no variant {asked!r}; it has {known}.")
        varied = entry.pooled(pooling)  # type: ignore[arg-type]  # the keys of `variants` are poolings
    return _card(f"{name}[{asked}]", replace(varied, title=f"{entry.title} [{asked}]"), stem=stem)


def _find_weights(name: str, weights: Weights) -> Path:
    from histobench.weights import find_weights

    return find_weights(name, weights)


def _build(name: str, entry: TimmEntry, find: Callable[[], Path] | None, geometry: PatchGeometry | None) -> Encoder:
    from histobench_encoders.timm_encoder import TimmEncoder

    return TimmEncoder(name, entry, geometry=geometry or entry.geometry, weights=find() if find else None)


def _build_colour_stats(geometry: PatchGeometry | None) -> Encoder:
    from histobench_encoders.colour_stats import ColourStats

    return ColourStats(geometry or PatchGeometry())


def _build_inception(geometry: PatchGeometry | None) -> Encoder:
    try:
        from histobench_encoders.inception import Inception
    except ModuleNotFoundError as error:
        raise ConfigError("inception-v3 needs torch-fidelity: pip install 'histobench[judge]'.") from error
    return Inception("inception-v3", geometry or PatchGeometry(), _find_weights("inception-v3", _INCEPTION))


def _build_family(family: str, example: str, _geometry: PatchGeometry | None) -> Encoder:
    raise ConfigError(f"{family!r} stands for a family; name one model, such as {example!r}.")


def _expand_timm(member: str) -> EncoderCard:
    from histobench_encoders.timm_family import describe

    return _card(f"timm:{member}", describe(member))


def _expand_pretrained(member: str) -> EncoderCard:
    from histobench_encoders.pretrained import describe_pretrained

    return _card(f"pretrained:{member}", describe_pretrained(_within(member)), stem=member)


def _expand_hub(member: str) -> EncoderCard:
    from histobench_encoders.timm_family import describe_hub

    return _card(f"hf-hub:{member}", describe_hub(_within(member)))


def _within(member: str) -> str:
    """Refuse a name that leads out of the folder of weights."""
    if not member.isprintable() or any(part in {"", ".", ".."} for part in member.split("/")):
        raise ConfigError(f"an encoder's name must stay within the folder of weights, got {member!r}.")
    return member


_JUDGE = "densenet121.random"
"""Judges generated patches where nothing better is asked for: it has no weights to be had, random features tell images
apart (Naeem et al. 2020, ICML), and it is not the network that generators without weights learn to please."""

_INCEPTION = Weights(
    hub_id="",
    files=("weights-inception-2015-12-05-6726825d.pth",),
    page="https://github.com/toshas/torch-fidelity/releases/tag/v0.2.0",
)

_FAMILIES = (
    EncoderCard(
        name="timm:<name>",
        title="Any model of timm by its name; '.random' after it for random weights",
        url=_AT_TIMM,
        licence=_AS_ITS_PAGE,
        citation=_TIMM,
        trainable=True,
        expand=_expand_timm,
        build=partial(_build_family, "timm:<name>", "timm:resnet34"),
    ),
    EncoderCard(
        name="hf-hub:<model>",
        title="Any model that the Hugging Face hub, or your folder of weights, has in timm's format: OWNER/MODEL",
        url=_HUB,
        licence=_AS_ITS_PAGE,
        citation=_TIMM,
        trainable=True,
        expand=_expand_hub,
        build=partial(_build_family, "hf-hub:<model>", "hf-hub:timm/vit_base_patch16_224.dino"),
    ),
    EncoderCard(
        name="pretrained:<name>",
        title="Any encoder that `histobench pretrain` made, by its folder in your folder of weights",
        url=_AT_TIMM,
        licence="yours",
        citation=_TIMM,
        trainable=True,
        expand=_expand_pretrained,
        build=partial(_build_family, "pretrained:<name>", "pretrained:own-slides"),
    ),
)

CARDS: tuple[EncoderCard, ...] = (
    *(_card(name, entry) for name, entry in ENTRIES.items()),
    EncoderCard(
        name="colour-stats",
        title="Mean, deviation and histogram of red, green, blue and the stains",
        url="https://scikit-image.org/docs/stable/api/skimage.color.html",
        licence="BSD-3-Clause",
        citation=_COLOUR,
        dim=60,
        params=0,
        pretrained_on=(),
        build=_build_colour_stats,
    ),
    EncoderCard(
        name="inception-v3",
        title="Inception-v3 of 2015-12-05, whose features Fréchet distances are quoted with",
        url="https://github.com/toshas/torch-fidelity",
        licence="Apache-2.0",
        citation="Szegedy et al. (2016), Rethinking the Inception architecture for computer vision, CVPR",
        dim=2048,
        params=23_850_960,
        weights=_INCEPTION,
        find_weights=partial(_find_weights, "inception-v3", _INCEPTION),
        pretrained_on=("ImageNet",),
        judges=True,
        build=_build_inception,
    ),
    *_FAMILIES,
)
"""What `register_encoders` returns; of a network's variants the pretrained one comes first."""
