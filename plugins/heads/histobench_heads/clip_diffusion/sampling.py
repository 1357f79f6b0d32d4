"""How images are drawn: the library's Stable Diffusion pipeline, with prompts that are not text."""

from collections.abc import Sequence

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from histobench import Float, UInt8
from histobench_heads.clip_diffusion.network import make_scheduler
from histobench_heads.clip_diffusion.options import DiffusionOptions
from histobench_heads.clip_diffusion.training import Denoiser

__all__ = ["draw_images", "make_pipeline"]

_AT_ONCE = 32


def make_pipeline(denoiser: Denoiser, options: DiffusionOptions) -> StableDiffusionPipeline:
    """Make the library's pipeline, without its parts for text."""
    pipeline = StableDiffusionPipeline(
        vae=denoiser.vae,
        text_encoder=None,
        tokenizer=None,
        unet=denoiser.unet,
        scheduler=make_scheduler(options.prediction_type, options.scheduler),
        safety_checker=None,
        feature_extractor=None,
        image_encoder=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def draw_images(denoiser: Denoiser, vectors: Float, seeds: Sequence[int], *, options: DiffusionOptions) -> UInt8:
    """Draw an image for each of (p, d) embeddings and its seed: (p, h, w, 3) uint8.

    Every image has its own random generator, so that it does not depend on other images.
    """
    pipeline, side = make_pipeline(denoiser, options), options.patch_px
    device = denoiser.nothing.device
    parts = [np.empty((0, side, side, 3), dtype=np.uint8)]
    for start in range(0, len(vectors), _AT_ONCE):
        chosen = torch.as_tensor(vectors[start : start + _AT_ONCE], dtype=torch.float32, device=device)
        prompts = denoiser.prompts(chosen)
        drawn = pipeline(
            prompt_embeds=prompts,
            negative_prompt_embeds=denoiser.prompts(denoiser.nothing[None]).expand_as(prompts),
            guidance_scale=options.guidance_scale,
            num_inference_steps=options.steps,
            height=side,
            width=side,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds[start : start + _AT_ONCE]],
            output_type="np",
        ).images
        parts.append(np.round(drawn * 255).astype(np.uint8))
    return np.concatenate(parts)
