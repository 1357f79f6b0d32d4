"""The card of the diffusion model on expression."""

from dataclasses import replace
from importlib.util import find_spec

from histobench import ConfigError, Method, MethodCard, PatchGeometry, Probe
from histobench_heads.clip_diffusion.options import DiffusionOptions
from histobench_heads.frames.cards import FROZEN_SLOT
from histobench_heads.frames.clip.options import QUICK_CLIP

__all__ = ["CLIP_DIFFUSION"]


def _clip_diffusion(options: DiffusionOptions) -> Method:
    missing = [name for name in ("diffusers", "transformers") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"clip-diffusion needs {' and '.join(missing)}, which is not installed: pip install 'histobench[generate]'."
        )
    from histobench_heads.clip_diffusion.method import ClipDiffusion

    return ClipDiffusion(options)


def _patch(options: DiffusionOptions) -> PatchGeometry:
    return PatchGeometry(patch_px=options.patch_px, field_px=224)


def _probes(options: DiffusionOptions) -> tuple[Probe, ...]:
    """Time an epoch of the contrastive model, one of the denoising network, and a patch drawn for every spot."""
    least = replace(options, clip_epochs=1, epochs=1)
    return (
        Probe(options=replace(least, clip_epochs=2), less=least, times=options.clip_epochs),
        Probe(options=replace(least, epochs=2), less=least, times=options.epochs),
        Probe(options=least, times=1, phase="predict"),
    )


CLIP_DIFFUSION = MethodCard(
    name="clip-diffusion",
    title="Stable Diffusion that draws a patch for an expression embedded by CLIP",
    url="https://github.com/bowang-lab/MorphoDiff",
    licence="Apache-2.0 (MorphoDiff, from which the published model derives; clean-room from its specification)",
    citation="Lohmann, Valdeolivas, Vasiljevic (2025), ICML Workshop on Generative AI and Biology",
    build=_clip_diffusion,
    options=DiffusionOptions,
    targets=("generate",),
    patch=_patch,
    encoder=replace(FROZEN_SLOT, default="uni"),
    probes=_probes,
    starts_from=("pretrained", "pretrained_vae"),
    parameters={  # diffusion, section 1
        "SD v1.4, denoising network": 859_520_964,
        "SD v1.4, autoencoder": 83_653_863,
    },
    presets={
        # The image itself in squares of 2 x 2 pixels: no download, and minutes on a CPU. The velocity is learned in few
        # steps even if most of what is denoised is the image's own.
        "quick": {
            **QUICK_CLIP,
            "patch_px": 32, "pretrained": None, "space": "pixels", "pixel_block": 2, "channels": (32, 64),
            "attention": (False, True), "layers": 1, "norm_groups": 8, "prompt_width": 64, "n_tokens": 1,
            "uncond_mode": "sample", "prediction_type": "v_prediction", "epochs": 15, "batch": 16, "accumulate": 1,
            "lr": 2e-3, "guidance_scale": 1.5, "steps": 8, "scheduler": "ddim",
        },
    },
)  # fmt: skip
"""Draws patches."""
