"""What histobench knows of each timm model: one record a model, and nothing of it asked from timm.

Mean and deviation stand here and not in timm, which answers 0.5 for many a bare architecture; tokens are pooled as
the authors say. Facts and counts: ``encoders.md`` of the specifications, sections 1, 2 and 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from histobench import Weights

__all__ = ["ENTRIES", "IMAGENET_MEAN", "IMAGENET_STD", "Pooling", "TimmEntry"]

Pooling: TypeAlias = Literal["cls", "cls+mean", "gap", "own"]
"""Class token; class token and mean of the patch tokens side by side; mean over the feature map; the model's own."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Of red, green and blue in [0, 1]."""

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of red, green and blue in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimmEntry:
    """A model built by timm, and what timm does not say.

    Attributes
    ----------
    arch
        timm's name of the architecture.
    dim, params
        Width of the embedding, and number of parameters at 224 pixels; ``None`` if known only once built.
    kwargs
        For ``timm.create_model``; a class is written as the name `timm_encoder` knows it by.
    mean, std
        Of red, green and blue in [0, 1].
    token_px
        Side of a ViT's patch token; the image must be a multiple of it. ``None`` for any other network.
    fixed_px
        Side to which images are resampled for a network that takes no other; ``None`` if it takes any.
    blocks, depth
        How a ViT names its blocks, and how many there are; empty where adapters make no sense.
    weights
        Where they are published; ``None`` for a network that starts from random weights.
    head
        Beginnings of the keys in the published file that belong to the classifier and are left out.
    converts
        True to let timm translate the keys of its own published file; else they must match as they are.
    """

    arch: str
    pooling: Pooling
    dim: int | None = None
    params: int | None = None
    kwargs: Mapping[str, object] = field(default_factory=dict)
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    token_px: int | None = None
    fixed_px: int | None = None
    blocks: str = ""
    depth: int = 0
    weights: Weights | None = None
    head: tuple[str, ...] = ()
    converts: bool = False

    def random(self, **kwargs: object) -> "TimmEntry":
        """Make the record of the same network with random weights, with further arguments of its own."""
        return replace(self, weights=None, kwargs={**self.kwargs, **kwargs})


def _vit(arch: str, *, dim: int, params: int, depth: int = 12) -> TimmEntry:
    return TimmEntry(arch=arch, pooling="cls", dim=dim, params=params, token_px=16, blocks="blocks.{}", depth=depth)


def _cnn(arch: str, *, dim: int, params: int, head: str) -> TimmEntry:
    # torchvision's first weights, as the spec's table has them
    weights = Weights(hub_id=f"timm/{arch}.tv_in1k")
    return TimmEntry(arch=arch, pooling="gap", dim=dim, params=params, weights=weights, head=(head,))


# timm starts each residual branch at zero, to be trained up from there; left untrained, the network would be its stem
# and three 1 x 1 convolutions
_ALIVE = {"zero_init_last": False}

_RESNET18 = _cnn("resnet18", dim=512, params=11_176_512, head="fc.")
_RESNET50 = _cnn("resnet50", dim=2048, params=23_508_032, head="fc.")
_DENSENET121 = _cnn("densenet121", dim=1024, params=6_953_856, head="classifier.")

ENTRIES: Mapping[str, TimmEntry] = {
    "vit-tiny": _vit("vit_tiny_patch16_224", dim=192, params=5_524_416),
    "vit-small": _vit("vit_small_patch16_224", dim=384, params=21_665_664),
    "resnet18.imagenet": _RESNET18,
    "resnet18.random": _RESNET18.random(**_ALIVE),
    "resnet50.imagenet": _RESNET50,
    "resnet50.random": _RESNET50.random(**_ALIVE),
    "densenet121.imagenet": _DENSENET121,
    "densenet121.random": _DENSENET121.random(),
    "uni": TimmEntry(
        arch="vit_large_patch16_224",
        pooling="cls",
        dim=1024,
        params=303_350_784,
        kwargs={"init_values": 1e-5},
        token_px=16,
        blocks="blocks.{}",
        depth=24,
        weights=Weights(hub_id="MahmoodLab/UNI", files=("model.safetensors", "pytorch_model.bin"), gated=True),
    ),
    "virchow2": TimmEntry(
        arch="vit_huge_patch14_224",
        pooling="cls+mean",
        dim=2560,
        params=631_239_424,
        # mlp_layer alone would leave GELU in the gate, and every key would still match
        kwargs={
            "init_values": 1e-5,
            "mlp_ratio": 5.3375,
            "global_pool": "",
            "reg_tokens": 4,
            "mlp_layer": "swiglu_packed",
            "act_layer": "silu",
        },
        token_px=14,
        blocks="blocks.{}",
        depth=32,
        weights=Weights(hub_id="paige-ai/Virchow2", files=("model.safetensors", "pytorch_model.bin"), gated=True),
    ),
}
"""Every timm model that has a card of its own, by the card's name."""
