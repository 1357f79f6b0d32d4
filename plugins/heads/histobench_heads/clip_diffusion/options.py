"""Options of the diffusion model and the sources of their defaults; no import here is heavy.

Numbers marked *diffusion* are those of the specification. Where the launch script of the publication and the default
of its program differ, the script's value is used, because it made the published images; comments give the program's.
"""

from dataclasses import dataclass
from typing import Literal

from histobench import ConfigError
from histobench_heads.frames.checks import at_least, positive, shares
from histobench_heads.frames.clip.options import ClipOptions

__all__ = ["STABLE_DIFFUSION", "DiffusionOptions", "NetworkOptions"]

STABLE_DIFFUSION = "CompVis/stable-diffusion-v1-4"
"""The published model starts from it; CreativeML OpenRAIL-M."""

_MULTIPLE = 8  # of the patch's side; the pipeline refuses other sides


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions(ClipOptions):
    """The networks, the latent space, and the form of a prompt.

    Attributes
    ----------
    pretrained, pretrained_vae
        Folder or hub id in the format of the library's ``save_pretrained``, from which ``unet_ema`` or ``unet``, and
        ``vae``, are read. ``None`` for a denoising network with random weights of the sizes below, and for the
        autoencoder of ``pretrained``.
    space
        ``latent``: that of the pretrained autoencoder. ``pixels``: the image itself, if there is none.
    pixel_block
        In ``pixels``: side of the square of pixels that becomes one position with as many channels; a power of two.
        Nothing is lost, and the network is faster.
    channels, attention
        Width of each resolution level of the denoising network, and whether it reads the prompt.
    layers, heads, norm_groups
        Of the denoising network: residual layers per level, attention heads, groups of the normalisation.
    prompt_width, n_tokens, pad_value
        A prompt is padded on both sides to this width with this value, and repeated. Because all tokens are equal, one
        token gives the same numbers as many.
    projection
        ``linear``: a trained layer maps the embedding to the width of the prompt, instead of padding.
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
        at_least(self, 1, "layers", "heads", "norm_groups", "prompt_width", "n_tokens", "pixel_block")
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
            raise ConfigError("space 'latent' needs a pretrained autoencoder: set pretrained_vae, or space='pixels'.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionOptions(NetworkOptions):
    """How the denoising network is trained, and how images are drawn.

    Attributes
    ----------
    patch_px
        Side of the patches that are learned and generated.
    random_flip
        Mirror half of the training patches left to right.
    shuffle_prompts
        Pair every patch with the prompt of another, drawn once: a control with broken pairing.
    p_uncond, uncond_mode
        Share of training without a prompt, drawn once for the whole ``batch`` or for each ``sample``.
    epochs, batch, accumulate, lr, weight_decay, max_grad_norm
        Settings of AdamW at a constant rate; ``accumulate`` batches make one step.
    prediction_type
        What the network predicts: the noise (``epsilon``) or the velocity.
    snr_gamma
        Cap of the signal-to-noise ratio in the weights of the loss; ``None`` for equal weights.
    noise_offset, input_perturbation
        Share of noise common to a whole channel; share of noise in the input that is not to be predicted.
    use_ema, ema_decay
        Whether images are drawn with the running mean of the weights, and the largest decay of that mean.
    guidance_scale
        How far a prediction is moved from the unprompted to the prompted one; no effect up to 1.
    steps, scheduler
        Number of denoising steps, and the sampler.
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
        """Refuse values outside their range."""
        NetworkOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        at_least(self, 1, "epochs", "batch", "accumulate", "steps")
        positive(self, "lr", "max_grad_norm", "snr_gamma")
        shares(self, "p_uncond", "ema_decay")
        if self.patch_px < _MULTIPLE or self.patch_px % _MULTIPLE:
            raise ConfigError(f"patch_px must be a multiple of {_MULTIPLE}, got {self.patch_px}.")
        if self.guidance_scale > 1 and not self.p_uncond:
            raise ConfigError(
                f"guidance_scale {self.guidance_scale} needs training without a prompt: set p_uncond above 0, or "
                "guidance_scale to 1."
            )
