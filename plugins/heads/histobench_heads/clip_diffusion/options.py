"""Options of the diffusion model and where their defaults come from; no import here is heavy.

Numbers marked *diffusion* are those of the specification. Where the launch script of the publication and the default
of its program differ, the script's is taken, for it made the published images; the program's stands beside it.
"""

from dataclasses import dataclass
from typing import Literal

from histobench import ConfigError
from histobench_heads.frames.clip.options import ClipOptions

__all__ = ["STABLE_DIFFUSION", "DiffusionOptions", "NetworkOptions"]

STABLE_DIFFUSION = "CompVis/stable-diffusion-v1-4"
"""What the published model starts from; CreativeML OpenRAIL-M."""

_MULTIPLE = 8  # of the patch's side: the pipeline refuses any other


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions(ClipOptions):
    """Which networks denoise, in which space, and what a prompt looks like to them.

    Attributes
    ----------
    pretrained, pretrained_vae
        Folder or hub id, as the library's ``save_pretrained`` writes it, whose ``unet_ema`` or ``unet`` and whose
        ``vae`` are taken; ``None`` for a denoising network with random weights of the sizes below, and for an
        autoencoder from ``pretrained``.
    space
        ``latent``: of the pretrained autoencoder. ``pixels``: of the image itself, where there is none.
    pixel_block
        In ``pixels``: side of the square of pixels that becomes one position of as many channels; a power of two. It
        loses nothing and makes the network's work less.
    channels, attention
        Per resolution level of the denoising network: width, and whether it reads the prompt.
    layers, heads, norm_groups
        Of the denoising network: residual layers in a level, attention heads, groups of its normalisation.
    prompt_width, n_tokens, pad_value
        A prompt is padded on both sides to its width and repeated. All its tokens being equal, one token gives the
        same numbers as many.
    projection
        ``linear``: a trained layer brings the embedding to the prompt's width, instead of padding.
    """

    pretrained: str | None = STABLE_DIFFUSION  # diffusion, section 4: launch script; program: a local copy
    pretrained_vae: str | None = None  # diffusion, section 4: the same
    space: Literal["latent", "pixels"] = "latent"  # diffusion, section 1
    pixel_block: int = 1  # ours
    channels: tuple[int, ...] = (320, 640, 1280, 1280)  # diffusion, section 1
    attention: tuple[bool, ...] = (True, True, True, False)  # diffusion, section 1: the layout of SD v1.4
    layers: int = 2  # diffusion, section 1
    heads: int = 8  # diffusion, section 1
    norm_groups: int = 32  # SD v1.4
    prompt_width: int = 768  # diffusion, section 2
    n_tokens: int = 77  # diffusion, section 2
    pad_value: float = 1.0  # diffusion, section 2: one, not zero
    projection: Literal["none", "linear"] = "none"  # diffusion, section 2

    def __post_init__(self) -> None:
        """Refuse networks that cannot be built."""
        ClipOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        for name in ("layers", "heads", "norm_groups", "prompt_width", "n_tokens", "pixel_block"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.pixel_block & (self.pixel_block - 1):
            raise ConfigError(f"pixel_block must be a power of two, got {self.pixel_block}.")
        if len(self.channels) != len(self.attention) or not self.channels:
            raise ConfigError(
                f"channels and attention must name the same levels, got {len(self.channels)} and {len(self.attention)}."
            )
        odd = [width for width in self.channels if width < 1 or width % self.norm_groups or width % self.heads]
        if odd:
            raise ConfigError(
                f"channels must be multiples of norm_groups {self.norm_groups} and of heads {self.heads}, got {odd[0]}."
            )
        if self.projection == "none" and self.latent_dim > self.prompt_width:
            raise ConfigError(
                f"latent_dim ({self.latent_dim}) must not exceed prompt_width ({self.prompt_width}): padding would "
                "crop the embedding; set projection='linear'."
            )
        if self.space == "latent" and not (self.pretrained or self.pretrained_vae):
            raise ConfigError(
                "space 'latent' needs a pretrained autoencoder: name it by pretrained_vae, or set space='pixels'."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionOptions(NetworkOptions):
    """How the denoising network is trained and drawn from.

    Attributes
    ----------
    patch_px
        Side of the patches that are learned and generated.
    random_flip
        Mirror half of the training patches left to right.
    shuffle_prompts
        Give every patch another one's prompt, drawn once: the baseline whose pairing is broken.
    p_uncond, uncond_mode
        Share of training without a prompt, and who shares a coin: the whole ``batch``, or each ``sample`` its own.
    epochs, batch, accumulate, lr, weight_decay, max_grad_norm
        Of AdamW at a constant rate; ``accumulate`` batches make one step.
    prediction_type
        What the network predicts: the noise (``epsilon``) or the velocity.
    snr_gamma
        Cap of the signal-to-noise ratio in the loss's weights; ``None`` for equal weights.
    noise_offset, input_perturbation
        Share of a noise common to a whole channel; share of a noise that the network sees but must not predict.
    use_ema, ema_decay
        Whether images are drawn by the running mean of the weights, and the largest decay of that mean.
    guidance_scale
        How far a prediction is pushed from the unprompted to the prompted one; without effect up to 1.
    steps, scheduler
        Denoising steps and the rule they follow.
    """

    patch_px: int = 128  # diffusion, section 4: launch script; program: 512
    random_flip: bool = True  # diffusion, section 4: launch script; program: False
    shuffle_prompts: bool = False  # diffusion, section 4
    p_uncond: float = 0.1  # diffusion, section 4: launch script; program: 0, its guidance is off
    uncond_mode: Literal["batch", "sample"] = "batch"  # diffusion, section 2
    epochs: int = 15  # diffusion, section 4: launch script; program: 5
    batch: int = 32  # diffusion, section 4: launch script; program: 2
    accumulate: int = 4  # diffusion, section 4: launch script; program: 1
    lr: float = 1e-5  # diffusion, section 4
    weight_decay: float = 1e-2  # diffusion, section 4
    max_grad_norm: float = 1.0  # diffusion, section 4
    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon"  # diffusion, section 1
    snr_gamma: float | None = None  # diffusion, section 4
    noise_offset: float = 0.0  # diffusion, section 4
    input_perturbation: float = 0.0  # diffusion, section 4
    use_ema: bool = True  # diffusion, section 4: launch script; program: False
    ema_decay: float = 0.9999  # diffusion, section 4
    guidance_scale: float = 3.0  # diffusion, section 5: launch script; program: 1.75
    steps: int = 50  # diffusion, section 5
    scheduler: Literal["ddpm", "ddim", "dpmsolver"] = "ddpm"  # diffusion, section 6

    def __post_init__(self) -> None:
        """Refuse numbers that no training or drawing can use."""
        NetworkOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        for name in ("epochs", "batch", "accumulate", "steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("lr", "max_grad_norm", "snr_gamma"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be positive, got {value}.")
        for name in ("p_uncond", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 0 and less than 1, got {getattr(self, name)}.")
        if self.patch_px < _MULTIPLE or self.patch_px % _MULTIPLE:
            raise ConfigError(f"patch_px must be a multiple of {_MULTIPLE}, got {self.patch_px}.")
        if self.guidance_scale > 1 and not self.p_uncond:
            raise ConfigError(
                f"guidance_scale {self.guidance_scale} needs a network that has seen no prompt: set p_uncond above 0, "
                "or guidance_scale to 1."
            )
