"""Vision transformers pretrained on slides with DINOv2, or distilled from such a model.

Facts and counts: ``encoders.md`` of the specifications, sections 2, 4, 5 and 7. A comment marks pretraining datasets
that are not named there.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from histobench import Weights
from histobench_encoders.entry import TimmEntry
from histobench_encoders.models.vit import vit

__all__ = ["FOUNDATION"]

_ND = "CC-BY-NC-ND-4.0"
_APACHE = "Apache-2.0"
_UNI = "Chen et al. (2024), Towards a general-purpose foundation model for computational pathology, Nat. Med. 30"
_OWKIN = "Owkin non-commercial"

_BIOPTIMUS = {"mean": (0.707223, 0.578729, 0.703617), "std": (0.211883, 0.230117, 0.177517)}
_HIBOU: dict[str, Any] = {
    "citation": "Nechaev et al. (2024), Hibou, a family of foundational vision transformers for pathology, "
    "arXiv:2406.05074",
    "licence": _APACHE,
    "registers": 4,
    "crop_px": 224,
    "sides": (224, 518),
    "formats": ("hf-dinov2", "dinov2"),
    "mean": (0.7068, 0.5755, 0.722),
    "std": (0.195, 0.2316, 0.1816),
}
_HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}

# with mlp_layer alone the gate would use GELU, and every key would still match
_SWIGLU = {"mlp_layer": "swiglu_packed", "act_layer": "silu"}
_SCALED = {"init_values": 1e-5}  # any number adds the layer scale; its values come from the file
_ALL_TOKENS = {"global_pool": ""}
_ANY = (0.25, 0.5, 1.0, 2.0)

_vit = partial(vit, token_px=14)


def _gated(hub_id: str, *more: str) -> Weights:
    return Weights(hub_id=hub_id, files=("model.safetensors", "pytorch_model.bin", *more), gated=True)


_H_OPTIMUS: dict[str, Any] = {
    "kwargs": {**_SCALED, "global_pool": "token"},
    "params": 1_134_774_272,
    "depth": 40,
    "registers": 4,
    "precision": "fp16",
    **_BIOPTIMUS,
}

FOUNDATION: Mapping[str, TimmEntry] = {
    "virchow": _vit(
        "vit_huge_patch14_224",
        1280,
        title="Virchow: ViT-H/14 trained on 1.5 million slides; class token and patch mean",
        citation="Vorontsov et al. (2024), A foundation model for clinical-grade computational pathology, Nat. Med. 30",
        licence=_APACHE,
        pooling="cls+mean",
        params=631_229_184,
        kwargs={**_SCALED, **_ALL_TOKENS, "mlp_ratio": 5.3375, **_SWIGLU},
        depth=32,
        precision="fp16",
        weights=_gated("paige-ai/Virchow"),
    ),
    # At its own 0.5 µm per pixel. Published abundance methods use 224 pixels of the full-resolution image instead; a
    # study can pass that geometry to `build`.
    "virchow2": _vit(
        "vit_huge_patch14_224",
        1280,
        title="Virchow2: ViT-H/14 with registers trained on 3.1 million slides; class token and patch mean",
        citation="Zimmermann et al. (2024), Virchow2, arXiv:2408.00738",
        licence=_ND,
        pooling="cls+mean",
        params=631_239_424,
        kwargs={**_SCALED, "mlp_ratio": 5.3375, **_ALL_TOKENS, "reg_tokens": 4, **_SWIGLU},
        mpps=_ANY,
        depth=32,
        registers=4,
        precision="fp16",
        weights=_gated("paige-ai/Virchow2"),
    ),
    "uni": _vit(
        "vit_large_patch16_224",
        1024,
        title="UNI: ViT-L/16 trained on 100,000 slides; class token",
        citation=_UNI,
        licence=_ND,
        params=303_350_784,
        kwargs=_SCALED,
        token_px=16,
        depth=24,
        crop_px=224,
        interpolation="bilinear",
        precision="fp16",
        weights=_gated("MahmoodLab/UNI"),
        pretrained_on=("GTEx",),  # and private slides; from the paper, not from the specification
    ),
    "uni2-h": _vit(
        "vit_giant_patch14_224",
        1536,
        title="UNI2-h: ViT-H/14 with eight registers; class token",
        citation=_UNI,
        licence=_ND,
        params=681_394_176,
        kwargs={
            **_SCALED,
            "depth": 24,
            "num_heads": 24,
            "embed_dim": 1536,
            "mlp_ratio": 5.33334,
            "no_embed_class": True,
            "reg_tokens": 8,
            **_SWIGLU,
        },
        depth=24,
        registers=8,
        crop_px=224,
        interpolation="bilinear",
        precision="bf16",
        weights=_gated("MahmoodLab/UNI2-h"),
    ),
    # the central 224 pixels of 256-pixel tiles at 0.5 µm per pixel, which equals 224 pixels at 0.5
    "gigapath": _vit(
        "vit_giant_patch14_dinov2",
        1536,
        title="Prov-GigaPath's tile encoder: ViT-g/16 trained on 171,000 slides; class token",
        citation="Xu et al. (2024), A whole-slide foundation model for digital pathology from real-world data, "
        "Nature 630",
        licence="Apache-2.0 with research-only conditions of use",
        params=1_134_953_984,
        kwargs={**_SCALED, "patch_size": 16, "embed_dim": 1536, "depth": 40, "num_heads": 24, "mlp_ratio": 5.33334},
        token_px=16,
        depth=40,
        resize_px=256,
        crop_px=224,
        precision="fp16",
        weights=_gated("prov-gigapath/prov-gigapath"),
    ),
    "h-optimus-0": _vit(
        "vit_giant_patch14_reg4_dinov2",
        1536,
        title="H-optimus-0: ViT-g/14 with registers trained on 500,000 slides; class token",
        citation="Saillard et al. (2024), H-optimus-0, github.com/bioptimus/releases",
        licence=_APACHE,
        # open according to the registry of 2024; if the hub requires consent, it reports so on download
        weights=Weights(
            hub_id="bioptimus/H-optimus-0", files=("model.safetensors", "pytorch_model.bin", "checkpoint.pth")
        ),
        **_H_OPTIMUS,
    ),
    "h-optimus-1": _vit(
        "vit_giant_patch14_reg4_dinov2",
        1536,
        title="H-optimus-1: ViT-g/14 with registers trained on over a million slides; class token",
        citation="Bioptimus (2025), H-optimus-1, huggingface.co/bioptimus/H-optimus-1",
        licence=_ND,
        weights=_gated("bioptimus/H-optimus-1"),
        **_H_OPTIMUS,
    ),
    "h0-mini": _vit(
        "vit_base_patch14_reg4_dinov2",
        768,
        title="H0-mini: ViT-B/14 with registers distilled from H-optimus-0; class token",
        citation="Filiot et al. (2025), Distilling foundation models for robust and efficient models in digital "
        "pathology, arXiv:2501.16239",
        licence=_ND,
        params=85_739_520,
        kwargs={**_SCALED, "mlp_ratio": 5.33334, **_ALL_TOKENS, **_SWIGLU},
        depth=12,
        registers=4,
        crop_px=224,
        precision="fp16",
        weights=_gated("bioptimus/H0-mini"),
        pretrained_on=("TCGA",),
        **_BIOPTIMUS,
    ),
    "phikon-v2": _vit(
        "vit_large_patch16_224",
        1024,
        title="Phikon-v2: ViT-L/16 trained on 58,000 slides; class token",
        citation="Filiot et al. (2024), Phikon-v2, a large and public feature extractor for biomarker prediction, "
        "arXiv:2409.09173",
        licence=_OWKIN,
        params=303_350_784,
        kwargs=_SCALED,
        token_px=16,
        depth=24,
        crop_px=224,
        weights=Weights(hub_id="owkin/phikon-v2"),
        formats=("hf-dinov2", "timm"),
        pretrained_on=("TCGA", "CPTAC", "GTEx"),  # from the paper, not from the specification
    ),
    "hibou-b": _vit(
        "vit_base_patch14_reg4_dinov2",
        768,
        title="Hibou-B: ViT-B/14 with registers trained on 1.1 million slides; class token",
        params=85_727_232,
        depth=12,
        weights=_gated("histai/hibou-b"),
        **_HIBOU,
    ),
    "hibou-l": _vit(
        "vit_large_patch14_reg4_dinov2",
        1024,
        title="Hibou-L: ViT-L/14 with registers trained on 1.1 million slides; class token",
        params=303_230_976,
        depth=24,
        weights=_gated("histai/hibou-L"),
        **_HIBOU,
    ),
    "midnight-12k": _vit(
        "vit_giant_patch14_dinov2",
        1536,
        title="Midnight-12k: ViT-g/14 trained on 12,000 slides; class token and patch mean",
        citation="Karasikov et al. (2025), Training state-of-the-art pathology foundation models with orders of "
        "magnitude less data, arXiv:2504.05186",
        licence="MIT",
        pooling="cls+mean",
        params=1_134_769_664,
        kwargs=_ALL_TOKENS,
        mpps=_ANY,
        depth=40,
        crop_px=224,
        sides=(224, 518),
        precision="fp16",
        weights=Weights(hub_id="kaiko-ai/midnight"),
        formats=("hf-dinov2", "dinov2"),
        pretrained_on=("TCGA",),
        **_HALF,
    ),
    # 512 pixels at 0.25 µm per pixel, resampled to 224
    "gpfm": _vit(
        "vit_large_patch14_dinov2",
        1024,
        title="GPFM: ViT-L/14 distilled from several foundation models; class token",
        citation="Ma et al. (2024), Towards a generalizable pathology foundation model via unified knowledge "
        "distillation, arXiv:2407.18449",
        licence="MIT or CC-BY-NC-ND-4.0: its pages disagree",
        params=303_227_904,
        kwargs=_SCALED,
        mpp=128 / 224,
        mpps=(128 / 224,),
        depth=24,
        sides=(224, 518),
        precision="fp16",
        # the published digest is that of a training checkpoint on GitHub; the file on the hub has the same name but
        # other content, so no digest is checked
        weights=Weights(hub_id="majiabo/GPFM", files=("GPFM.pth",)),
        formats=("dinov2",),
        pretrained_on=("TCGA",),
    ),
}
"""Name of the card → record."""
