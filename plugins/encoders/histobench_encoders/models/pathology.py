"""Older and smaller pathology models: DINO and iBOT transformers, image–text models and CTransPath.

Facts and counts: ``encoders.md`` of the specifications, sections 2 to 5 and 7.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from histobench import Weights
from histobench_encoders.entry import TimmEntry
from histobench_encoders.models.vit import tokens_variants, vit

__all__ = ["PATHOLOGY"]

_HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
_LUNIT = {
    "mean": (0.70322989, 0.53606487, 0.66096631),
    "std": (0.21716536, 0.26081574, 0.20723464),
}
_CLIP = {
    "mean": (0.48145466, 0.4578275, 0.40821073),
    "std": (0.26862954, 0.26130258, 0.27577711),
}
_ND = "CC-BY-NC-ND-4.0"
_PLIP = 768

_vit = partial(vit, token_px=16, crop_px=224, depth=12)


def _kaiko(arch: str, width: int, file: str, **facts: Any) -> TimmEntry:  # Any: fields of the record
    facts = {
        "mpps": (0.25, 0.5, 1.0, 2.0),
        "interpolation": "bilinear",
        "weights": Weights(
            hub_id=f"1aurent/{arch}.kaiko_ai_towards_large_pathology_fms", files=("model.safetensors", file)
        ),
        "pretrained_on": ("TCGA",),
        **_HALF,
        **facts,
    }
    return _vit(
        arch,
        width,
        title=f"Kaiko's ViT trained on TCGA by DINO ({file.partition('.')[0]}); class token",
        citation="Aben et al. (2024), Towards large-scale training of pathology foundation models, arXiv:2404.15217",
        licence="Kaiko Non-Commercial Public License v1",
        **facts,
    )


def _lunit(token_px: int, params: int) -> TimmEntry:
    arch = f"vit_small_patch{token_px}_224"
    return _vit(
        arch,
        384,
        title=f"Lunit's ViT-S/{token_px} trained on TCGA by DINO; class token",
        citation="Kang et al. (2023), Benchmarking self-supervised learning on diverse pathology datasets, CVPR",
        licence="Lunit public licence, non-commercial research",
        params=params,
        token_px=token_px,
        weights=Weights(
            hub_id=f"1aurent/{arch}.lunit_dino",
            files=("model.safetensors", f"dino_vit_small_patch{token_px}_ep200.torch"),
        ),
        pretrained_on=("TCGA",),
        **_LUNIT,
    )


def _conch(arch: str, width: int, **facts: Any) -> TimmEntry:  # Any: fields of the record
    facts = {"kwargs": {}, "depth": 12, "formats": ("conch",), "licence": _ND, "pretrained_on": (), **facts}
    return TimmEntry(
        arch=arch,
        builder="conch",
        pooling="attention",
        dim=width,
        variants={"attention": width},
        patch_px=448,
        # 224 for files with the positions of the 224-pixel grid
        sides=(448, 224),
        resize_px=448,
        crop_px=448,
        mpp=0.5,
        mpps=(0.5,),
        token_px=16,
        blocks="trunk.blocks.{}",
        **facts,
    )


PATHOLOGY: Mapping[str, TimmEntry] = {
    "phikon": _vit(
        "vit_base_patch16_224",
        768,
        title="Phikon: ViT-B/16 trained on TCGA by iBOT; class token",
        citation="Filiot et al. (2023), Scaling self-supervised learning for histopathology with masked image "
        "modeling, medRxiv",
        licence="Owkin non-commercial",
        params=85_798_656,
        kwargs={"norm_layer": "layer_norm_1e-12"},  # Hugging Face's default; timm's changes values by 1e-3
        crop_px=None,
        interpolation="bilinear",
        weights=Weights(hub_id="owkin/phikon"),
        formats=("hf-vit", "timm"),
        pretrained_on=("TCGA",),
    ),
    "kaiko-vits16": _kaiko("vit_small_patch16_224", 384, "vits16.pth", params=21_665_664),
    "kaiko-vits8": _kaiko("vit_small_patch8_224", 384, "vits8.pth", params=21_670_272, token_px=8),
    "kaiko-vitb16": _kaiko("vit_base_patch16_224", 768, "vitb16.pth", params=85_798_656),
    "kaiko-vitb8": _kaiko("vit_base_patch8_224", 768, "vitb8.pth", params=85_807_872, token_px=8),
    "kaiko-vitl14": _kaiko(
        "vit_large_patch14_reg4_dinov2",
        1024,
        "vitl14.pth",
        params=304_370_688,
        token_px=14,
        depth=24,
        registers=4,
        sides=(518,),
        formats=("dinov2",),
    ),
    "lunit-vits16": _lunit(16, 21_665_664),
    "lunit-vits8": _lunit(8, 21_670_272),
    "plip": _vit(
        "vit_base_patch32_clip_quickgelu_224",
        _PLIP,
        title="PLIP's image tower: CLIP ViT-B/32 tuned on figures from Twitter; pooled class token",
        citation="Huang et al. (2023), A visual–language foundation model for pathology image analysis using "
        "medical Twitter, Nat. Med. 29",
        licence="unclear; treat as research only",
        params=87_456_000,
        variants={**tokens_variants(_PLIP), "projected": 512},
        token_px=32,
        mpp=None,
        mpps=(),
        weights=Weights(hub_id="vinid/plip", files=("pytorch_model.bin", "model.safetensors")),
        formats=("hf-clip",),
        pretrained_on=("OpenPath",),
        **_CLIP,
    ),
    "conch-v1": _conch(
        "vit_base_patch16_224",
        512,
        title="CONCH: ViT-B/16 and attention pool, aligned to captions by CoCa; no projection",
        citation="Lu et al. (2024), A visual-language foundation model for computational pathology, Nat. Med. 30",
        params=87_565_056,
        weights=Weights(hub_id="MahmoodLab/CONCH", files=("pytorch_model.bin",), gated=True),
        **_CLIP,
    ),
    "conch-v1.5": _conch(
        "vit_large_patch16_224",
        768,
        title="CONCH v1.5: ViT-L/16 and attention pool, TITAN's patch encoder; no projection",
        citation="Ding et al. (2024), Multimodal whole slide foundation model for pathology, arXiv:2411.19666",
        params=306_711_296,
        kwargs={"init_values": 1.0},
        depth=24,
        interpolation="bilinear",
        precision="fp16",
        pretrained_on=None,
        weights=Weights(hub_id="MahmoodLab/conchv1_5", files=("pytorch_model_vision.bin",), gated=True),
    ),
    "ctranspath": TimmEntry(
        arch="swin_tiny_patch4_window7_224",
        builder="ctranspath",
        pooling="gap",
        title="CTransPath: Swin-T with a convolutional stem trained on TCGA and PAIP",
        citation="Wang et al. (2022), Transformer-based unsupervised contrastive learning for histopathological image "
        "classification, Med. Image Anal. 81",
        licence="GPL-3.0",
        url="https://github.com/Xiyue-Wang/TransPath",
        dim=768,
        variants={"gap": 768},
        params=27_520_038,
        fixed_px=224,
        resize_px=224,
        interpolation="bilinear",
        mpp=1.0,
        mpps=(1.0,),
        blocks="layers.3.blocks.{}",
        depth=2,
        weights=Weights(
            hub_id="",
            files=("ctranspath.pth", "CHIEF_CTransPath.pth"),
            page="https://github.com/Xiyue-Wang/TransPath",
        ),
        formats=("swin",),
        pretrained_on=("TCGA", "PAIP"),
    ),
}
"""Name of the card → record."""
