"""The denoising network, its latent space and the noise schedule, all from ``diffusers``."""

from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from diffusers import (
    AutoencoderKL,
    ConfigMixin,
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    ModelMixin,
    UNet2DConditionModel,
)
from torch import Tensor
from torch.nn import functional

from histobench import ConfigError, WeightsError
from histobench_heads.clip_diffusion.options import STABLE_DIFFUSION, DiffusionOptions, NetworkOptions

__all__ = [
    "Networks",
    "PixelSpace",
    "build_networks",
    "make_scheduler",
    "make_unet",
    "read_networks",
    "to_latents",
    "write_networks",
]

Library: TypeAlias = Any  # Any: diffusers is an optional package, and mypy does not see its types
"""A model or scheduler of the library."""


class PixelSpace(ModelMixin, ConfigMixin):  # type: ignore[misc]  # the library's classes have no types here
    """Replaces an autoencoder by the image itself: squares of pixels become channels, and back.

    Parameters
    ----------
    block
        Side of a square.
    """

    def __init__(self, block: int) -> None:
        super().__init__()
        # the pipeline takes the factor between image and latent from the number of levels
        self._remember(
            block=block,
            block_out_channels=[3 * block**2] * block.bit_length(),
            latent_channels=3 * block**2,
            scaling_factor=1.0,
        )
        self.register_buffer("nothing", torch.zeros(1), persistent=False)  # shows device and dtype

    def encode(self, images: Tensor) -> Tensor:
        """Turn (n, 3, h, w) into (n, 3 block², h / block, w / block)."""
        return functional.pixel_unshuffle(images, int(self.config.block))

    def decode(self, latents: Tensor, *, return_dict: bool = False, generator: object = None) -> tuple[Tensor]:
        """Turn latents back into (n, 3, h, w), with the signature that the pipeline expects."""
        del return_dict, generator  # used by autoencoders only
        return (functional.pixel_shuffle(latents, int(self.config.block)),)

    def _remember(self, **config: object) -> None:
        self.register_to_config(**config)


class Networks(NamedTuple):
    """The denoising network, and the autoencoder of its latent space."""

    unet: Library
    vae: Library


def build_networks(options: DiffusionOptions) -> Networks:
    """Read the pretrained networks, or draw the denoising one from torch's generator; the autoencoder is never trained.

    Raises
    ------
    WeightsError
        If pretrained weights are not available.
    ConfigError
        If the networks, the prompt and the patch do not fit together.
    """
    if options.space == "pixels":
        vae: Library = PixelSpace(options.pixel_block)
    else:
        vae = _pretrained(AutoencoderKL, options.pretrained_vae or options.pretrained or STABLE_DIFFUSION, ("vae",))
    channels, side = int(vae.config.latent_channels), _latent_side(vae, options.patch_px)
    if options.pretrained:
        unet = _pretrained(UNet2DConditionModel, options.pretrained, ("unet_ema", "unet"))
        _check_pretrained(unet, channels, options)
    else:
        unet = make_unet(options, channels=channels, side=side)
    if side % 2 ** (len(unet.config.block_out_channels) - 1):
        raise ConfigError(f"patch_px {options.patch_px} gives latents of side {side}, which the levels cannot halve.")
    return Networks(unet.train(), vae.eval().requires_grad_(False))


def make_unet(options: NetworkOptions, *, channels: int, side: int) -> Library:
    """Make a denoising network with random weights for latents of some channels and side."""
    down = tuple("CrossAttnDownBlock2D" if reads else "DownBlock2D" for reads in options.attention)
    up = tuple("CrossAttnUpBlock2D" if reads else "UpBlock2D" for reads in reversed(options.attention))
    return UNet2DConditionModel(
        sample_size=side,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=options.channels,
        layers_per_block=options.layers,
        down_block_types=down,
        up_block_types=up,
        cross_attention_dim=options.prompt_width,
        attention_head_dim=options.heads,  # the library's name for the number of heads
        norm_num_groups=options.norm_groups,
    )


def make_scheduler(
    prediction_type: Literal["epsilon", "v_prediction"], name: Literal["ddpm", "ddim", "dpmsolver"] = "ddpm"
) -> Library:
    """Make the noise schedule of training and drawing (``diffusion.md``, section 1)."""
    made = DDPMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction_type,
        clip_sample=False,
        steps_offset=1,
        variance_type="fixed_small",
        timestep_spacing="leading",
    )
    if name == "ddpm":
        return made
    kinds = {"ddim": DDIMScheduler, "dpmsolver": DPMSolverMultistepScheduler}
    shared = {key: made.config[key] for key in ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule")}
    more = {"set_alpha_to_one": False, "clip_sample": False} if name == "ddim" else {}
    return kinds[name](**shared, prediction_type=prediction_type, steps_offset=1, timestep_spacing="leading", **more)


def to_latents(vae: Library, images: Tensor) -> Tensor:
    """Encode (n, h, w, 3) uint8 RGB as latents (n, c, side, side), sampled if the encoding is random."""
    scaled = images.movedim(-1, 1).float() / 127.5 - 1
    if isinstance(vae, PixelSpace):
        return vae.encode(scaled)
    latents: Tensor = vae.encode(scaled).latent_dist.sample() * vae.config.scaling_factor
    return latents


def write_networks(networks: Networks, folder: Path) -> None:
    """Write both in the library's format, safetensors and JSON; `PixelSpace` has no weights and is not written."""
    networks.unet.save_pretrained(folder / "unet")
    if not isinstance(networks.vae, PixelSpace):
        networks.vae.save_pretrained(folder / "vae")


def read_networks(folder: Path, options: NetworkOptions) -> Networks:
    """Read the networks from `write_networks`.

    Raises
    ------
    WeightsError
        If they are missing.
    """
    unet = _pretrained(UNet2DConditionModel, str(folder), ("unet",))
    if options.space == "pixels":
        return Networks(unet, PixelSpace(options.pixel_block))
    return Networks(unet, _pretrained(AutoencoderKL, str(folder), ("vae",)).requires_grad_(False))


def _pretrained(kind: Library, source: str, subfolders: tuple[str, ...]) -> Library:
    """Read the first subfolder that exists; only safetensors, because other files could run code."""
    why: Exception | None = None
    for subfolder in subfolders:
        try:
            return kind.from_pretrained(source, subfolder=subfolder, use_safetensors=True, low_cpu_mem_usage=False)
        except (OSError, ValueError) as error:
            why = error
    reason = str(why).strip().partition("\n")[0].rstrip(".")
    raise WeightsError(
        f"clip-diffusion starts from {source!r}, but its {' or '.join(subfolders)} is not available ({reason}); fetch "
        f"it with 'hf download {source}' and set clip-diffusion.pretrained to its folder, or train without it: "
        "--set clip-diffusion.pretrained= --set clip-diffusion.space=pixels."
    ) from why


def _latent_side(vae: Library, patch_px: int) -> int:
    factor: int = 2 ** (len(vae.config.block_out_channels) - 1)
    if patch_px % factor:
        raise ConfigError(
            f"patch_px must be a multiple of {factor}, got {patch_px}: the latents are smaller by this factor."
        )
    return patch_px // factor


def _check_pretrained(unet: Library, channels: int, options: NetworkOptions) -> None:
    width = unet.config.cross_attention_dim
    if width != options.prompt_width:
        raise ConfigError(
            f"{options.pretrained!r} reads prompts of width {width}, prompt_width is {options.prompt_width}."
        )
    if unet.config.in_channels != channels:
        raise ConfigError(
            f"{options.pretrained!r} denoises {unet.config.in_channels} channels, the space has {channels}; "
            "set space='latent' with its own autoencoder."
        )
