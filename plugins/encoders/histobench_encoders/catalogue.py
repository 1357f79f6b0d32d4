"""The cards of the built-in encoders: one per record in `entries`, three families, colour-stats and inception-v3.

================================  ==============================================  ==============================
name                              network                                         weights
================================  ==============================================  ==============================
vit-tiny, vit-small, vit-base     ViT, 16-pixel tokens                            from scratch
resnet18, resnet50, densenet121   with the suffix .imagenet or .random            ImageNet; random
virchow, uni, conch-v1, …         pathology models (`models`)                     published, many of them gated
colour-stats                      none                                            none
inception-v3                      the network of 2015 used for FID                 published, by hand
timm:<name>[.random]              any model of timm                               timm's; random
hf-hub:<owner/model>              any model on the hub in timm's format            the hub's
pretrained:<name>                 any model made by `histobench pretrain`         your own
================================  ==============================================  ==============================

``encoder[pooling]`` uses another pooling. ``encoder[hest]`` uses the patches of the HEST benchmark and the published
transform. ``encoder[tta]`` averages over the eight symmetries of a patch at test time. Variants combine:
``encoder[pooling][tta]``.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from histobench import ConfigError, Encoder, EncoderCard, PatchGeometry, Weights, lazy
from histobench_encoders.entries import ENTRIES
from histobench_encoders.entry import TimmEntry

__all__ = ["CARDS"]

_TIMM = "Wightman (2019), PyTorch Image Models, doi:10.5281/zenodo.4414861"
_COLOUR = "Ruifrok & Johnston (2001), Quantification of histochemical staining by color deconvolution"
_AT_TIMM = "https://github.com/huggingface/pytorch-image-models"
_HUB = "https://huggingface.co"
_AS_ITS_PAGE = "as on the model's page"
_HEST, _TTA = "hest", "tta"
_FIND_WEIGHTS = lazy("histobench.weights:find_weights")


def _card(name: str, entry: TimmEntry, *, stem: str | None = None) -> EncoderCard:
    """Make the card of a record; ``stem`` is the name of its weights, by default the name of the card."""
    stem = stem or name
    find = partial(_FIND_WEIGHTS, stem, entry.weights) if entry.weights else None
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


def _build(name: str, entry: TimmEntry, find: Callable[[], Path] | None, geometry: PatchGeometry | None) -> Encoder:
    from histobench_encoders.timm_encoder import TimmEncoder

    return TimmEncoder(name, entry, geometry=geometry or entry.geometry, weights=find() if find else None)


def _build_inception(geometry: PatchGeometry | None) -> Encoder:
    try:
        from histobench_encoders.inception import Inception
    except ModuleNotFoundError as error:
        raise ConfigError("inception-v3 needs torch-fidelity: pip install 'histobench[judge]'.") from error
    return Inception("inception-v3", geometry or PatchGeometry(), _FIND_WEIGHTS("inception-v3", _INCEPTION))


def _build_family(family: str, example: str, _geometry: PatchGeometry | None) -> Encoder:
    raise ConfigError(f"{family!r} is a family of encoders; name one model, such as {example!r}.")


def _expand(family: str, describe: Callable[[str], TimmEntry], member: str) -> EncoderCard:
    if not member.isprintable() or any(part in {"", ".", ".."} for part in member.split("/")):
        raise ConfigError(f"an encoder's name must stay within the folder of weights, got {member!r}.")
    return _card(f"{family}:{member}", describe(member), stem=member if family == "pretrained" else None)


def _family(name: str, title: str, *, describe: str, example: str, url: str, licence: str) -> EncoderCard:
    return EncoderCard(
        name=name,
        title=title,
        url=url,
        licence=licence,
        citation=_TIMM,
        trainable=True,
        expand=partial(_expand, name.partition(":")[0], lazy(describe)),
        build=partial(_build_family, name, example),
    )


_JUDGE = "densenet121.random"
"""Judges generated patches by default: it needs no weights, random features distinguish images (Naeem et al. 2020,
ICML), and it is not the network that generators without weights are trained against."""

_INCEPTION = Weights(
    hub_id="",
    files=("weights-inception-2015-12-05-6726825d.pth",),
    page="https://github.com/toshas/torch-fidelity/releases/tag/v0.2.0",
)

_FAMILIES = (
    _family(
        "timm:<name>",
        "Any model of timm by its name; with the suffix '.random' for random weights",
        describe="histobench_encoders.timm_family:describe",
        example="timm:resnet34",
        url=_AT_TIMM,
        licence=_AS_ITS_PAGE,
    ),
    _family(
        "hf-hub:<model>",
        "Any model in timm's format on the Hugging Face hub or in your folder of weights: OWNER/MODEL",
        describe="histobench_encoders.timm_family:describe_hub",
        example="hf-hub:timm/vit_base_patch16_224.dino",
        url=_HUB,
        licence=_AS_ITS_PAGE,
    ),
    _family(
        "pretrained:<name>",
        "Any encoder made by `histobench pretrain`, by its folder in your folder of weights",
        describe="histobench_encoders.pretrained:describe_pretrained",
        example="pretrained:own-slides",
        url=_AT_TIMM,
        licence="yours",
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
        build=lazy("histobench_encoders.colour_stats:ColourStats"),
    ),
    EncoderCard(
        name="inception-v3",
        title="Inception-v3 of 2015-12-05, the network of published Fréchet distances",
        url="https://github.com/toshas/torch-fidelity",
        licence="Apache-2.0",
        citation="Szegedy et al. (2016), Rethinking the Inception architecture for computer vision, CVPR",
        dim=2048,
        params=23_850_960,
        weights=_INCEPTION,
        find_weights=partial(_FIND_WEIGHTS, "inception-v3", _INCEPTION),
        pretrained_on=("ImageNet",),
        judges=True,
        build=_build_inception,
    ),
    *_FAMILIES,
)
"""All cards; for networks with several weights, the pretrained variant comes first."""
