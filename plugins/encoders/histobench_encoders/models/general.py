"""Models without pretraining on slides: ImageNet weights, random weights, and transformers from scratch.

Facts and counts: ``encoders.md`` of the specifications, section 2.
"""

from collections.abc import Mapping
from dataclasses import replace

from histobench import Weights
from histobench_encoders.entry import TimmEntry
from histobench_encoders.models.vit import tokens_variants

__all__ = ["GENERAL", "TIMM_PAGE"]

TIMM_PAGE = "https://github.com/huggingface/pytorch-image-models"
"""Page of the networks."""

_VIT = "Dosovitskiy et al. (2021), An image is worth 16×16 words, ICLR"
_RESNET = "He et al. (2016), Deep residual learning for image recognition, CVPR"
_DENSENET = "Huang et al. (2017), Densely connected convolutional networks, CVPR"
_HEST = "Jaume et al. (2024), HEST-1k, NeurIPS"
_FREE = "Apache-2.0"  # timm's code; there are no weights
_BSD = "BSD-3-Clause"


def _scratch(letters: str, arch: str, width: int, params: int) -> TimmEntry:
    return TimmEntry(
        arch=arch,
        pooling="cls",
        title=f"ViT-{letters}/16 from scratch",
        citation=_VIT,
        licence=_FREE,
        url=TIMM_PAGE,
        dim=width,
        variants=tokens_variants(width),
        params=params,
        token_px=16,
        blocks="blocks.{}",
        depth=12,
        precision="bf16",
        pretrained_on=(),
    )


def _cnn(arch: str, title: str, width: int, params: int, citation: str) -> TimmEntry:
    # torchvision's first weights, as in the table of the specification
    return TimmEntry(
        arch=arch,
        pooling="gap",
        title=f"{title}, ImageNet weights",
        citation=citation,
        licence=_BSD,
        url=TIMM_PAGE,
        dim=width,
        variants={"gap": width},
        params=params,
        precision="bf16",
        weights=Weights(hub_id=f"timm/{arch}.tv_in1k"),
        head=("classifier.",) if arch.startswith("densenet") else ("fc.",),
        pretrained_on=("ImageNet",),
    )


def _random(entry: TimmEntry, **kwargs: object) -> TimmEntry:
    title = entry.title.replace("ImageNet weights", "random weights")
    return replace(entry.random(**kwargs), title=title, licence=_FREE)


# timm initialises each residual branch with zero; untrained, the network would only be its stem and three 1 x 1
# convolutions
_ALIVE = {"zero_init_last": False}

_RESNET18 = _cnn("resnet18", "ResNet-18", 512, 11_176_512, _RESNET)
_RESNET50 = _cnn("resnet50", "ResNet-50", 2048, 23_508_032, _RESNET)
_DENSENET121 = _cnn("densenet121", "DenseNet-121", 1024, 6_953_856, _DENSENET)

GENERAL: Mapping[str, TimmEntry] = {
    "vit-tiny": _scratch("Ti", "vit_tiny_patch16_224", 192, 5_524_416),
    "vit-small": _scratch("S", "vit_small_patch16_224", 384, 21_665_664),
    "vit-base": _scratch("B", "vit_base_patch16_224", 768, 85_798_656),
    "resnet18.imagenet": _RESNET18,
    "resnet18.random": _random(_RESNET18, **_ALIVE),
    "resnet50.imagenet": _RESNET50,
    "resnet50.random": _random(_RESNET50, **_ALIVE),
    # the mean output of the third stage, 1024 channels at stride 16
    "resnet50-hest": replace(
        _RESNET50,
        builder="stage",
        title="ResNet-50 up to its third stage, ImageNet weights, as in the HEST benchmark",
        citation=_HEST,
        dim=1024,
        variants={"gap": 1024},
        params=8_543_296,
        kwargs={"features_only": True, "out_indices": (3,)},
        head=("fc.", "layer4."),
        precision="fp32",
    ),
    "densenet121.imagenet": _DENSENET121,
    "densenet121.random": _random(_DENSENET121),
}
"""Name of the card → record; for networks with several weights, the pretrained variant comes first."""
