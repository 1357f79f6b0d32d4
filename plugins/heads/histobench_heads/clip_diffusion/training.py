"""Training of the denoising network (``diffusion.md``, section 4)."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from diffusers.training_utils import compute_snr
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histobench import FitContext, Float, Patches, ShapeError
from histobench.training import Recipe, fit_module, seeded, shuffled
from histobench_heads.clip_diffusion.averaging import RunningMean
from histobench_heads.clip_diffusion.network import Networks, make_scheduler, to_latents
from histobench_heads.clip_diffusion.options import DiffusionOptions
from histobench_heads.clip_diffusion.prompts import Prompts

__all__ = ["Batch", "Denoiser", "fit_denoiser", "weigh_by_snr"]

_STEPS = 1000  # noise steps in training


class Batch(NamedTuple):
    """The input of one step.

    Attributes
    ----------
    images
        (n, h, w, 3) uint8.
    vectors
        (n, d) embedding of the expression of each image.
    """

    images: Tensor
    vectors: Tensor


class Denoiser(nn.Module):
    """All trained parts; called with a batch, it returns the loss.

    Parameters
    ----------
    nothing
        (d,) embedding of no expression: the prompt of unguided drawing.
    """

    nothing: Tensor

    def __init__(self, networks: Networks, nothing: Tensor, options: DiffusionOptions) -> None:
        super().__init__()
        self.unet, self.vae = networks
        self.prompts = Prompts(len(nothing), options)
        self.register_buffer("nothing", nothing.clone())
        self.scheduler = make_scheduler(options.prediction_type)
        self._options = options
        self.mean = RunningMean(self._learned(), options.ema_decay) if options.use_ema else None

    @override
    def forward(self, batch: Batch) -> Tensor:
        options = self._options
        images = mirrored(batch.images) if options.random_flip else batch.images
        with torch.no_grad():
            latents = to_latents(self.vae, images).float()
        noise = torch.randn_like(latents)
        if options.noise_offset:
            noise = noise + options.noise_offset * torch.randn_like(noise[:, :, :1, :1])
        times = torch.randint(_STEPS, (len(latents),), device=latents.device)
        seen = noise
        if options.input_perturbation:
            seen = noise + options.input_perturbation * torch.randn_like(noise)
        noisy = self.scheduler.add_noise(latents, seen, times)
        predicted = self.unet(noisy, times, encoder_hidden_states=self._prompts(batch.vectors)).sample
        target = noise
        if options.prediction_type == "v_prediction":
            target = self.scheduler.get_velocity(latents, noise, times)
        return self._loss(predicted.float(), target, times)

    def follow(self) -> None:
        """Update the running mean, if there is one."""
        if self.mean is not None:
            self.mean.follow(self._learned())

    def finish(self) -> Networks:
        """Replace the weights by the running mean, if there is one, and return the networks for drawing."""
        if self.mean is not None:
            self.mean.copy_to(self._learned())
        return Networks(self.unet.eval(), self.vae)

    def _learned(self) -> list[nn.Parameter]:
        return [*self.unet.parameters(), *self.prompts.parameters()]

    def _prompts(self, vectors: Tensor) -> Tensor:
        """Make the prompts, some of them of no expression."""
        coins = torch.rand(1 if self._options.uncond_mode == "batch" else len(vectors), device=vectors.device)
        dropped = (coins < self._options.p_uncond)[:, None]
        prompts: Tensor = self.prompts(torch.where(dropped, self.nothing, vectors))
        return prompts

    def _loss(self, predicted: Tensor, target: Tensor, times: Tensor) -> Tensor:
        options = self._options
        if options.snr_gamma is None:
            return functional.mse_loss(predicted, target)
        weights = weigh_by_snr(compute_snr(self.scheduler, times), options)
        errors = (predicted - target).square().mean(dim=(1, 2, 3))
        return (weights * errors).mean()


def fit_denoiser(
    patches: Patches,
    vectors: Float,
    nothing: Float,
    *,
    networks: Networks,
    options: DiffusionOptions,
    context: FitContext,
) -> Denoiser:
    """Train on n patches and their (n, d) embeddings; what comes back draws with the running mean.

    Parameters
    ----------
    nothing
        (d,) embedding of no expression.
    networks
        Trained in place.
    """
    if len(patches) != len(vectors):
        raise ShapeError(f"patches and prompts must be of the same spots, got {len(patches)} and {len(vectors)}.")
    with seeded(context.seed):
        denoiser = Denoiser(networks, torch.as_tensor(nothing, dtype=torch.float32), options)
    if context.gradient_checkpointing:
        denoiser.unet.enable_gradient_checkpointing()
    rest = -(-len(patches) // options.batch) % options.accumulate  # batches in the last, shorter step of an epoch
    prompts = torch.as_tensor(vectors, dtype=torch.float32)

    def batches(epoch: int) -> Iterator[Batch]:
        if epoch and rest:
            denoiser.follow()  # the last step of the previous epoch was taken after its last batch
        rows_of = shuffled(len(patches), options.batch, seed=context.seed, epoch=epoch, drop_last=False)
        for number, rows in enumerate(rows_of, start=1):
            yield Batch(torch.from_numpy(np.array(patches[rows])), prompts[rows])
            if number % options.accumulate == 0:
                denoiser.follow()  # the loop requests the next batch after the step

    fit_module(
        denoiser, lambda module, batch: {"loss": module(batch)}, batches, recipe=_recipe(options), context=context
    )
    if rest:
        denoiser.follow()
    denoiser.finish()
    return denoiser


def _recipe(options: DiffusionOptions) -> Recipe:
    return Recipe(
        epochs=options.epochs,
        lr=options.lr,
        optimiser="adamw",
        weight_decay=options.weight_decay,
        accumulate=options.accumulate,
        clip=options.max_grad_norm,
    )


def weigh_by_snr(snr: Tensor, options: DiffusionOptions) -> Tensor:
    """Weight each of (n,) samples by its capped signal-to-noise ratio: (n,)."""
    if options.snr_gamma is None:
        return torch.ones_like(snr)
    capped = snr.clamp(max=options.snr_gamma)
    return capped / (snr + 1) if options.prediction_type == "v_prediction" else capped / snr


def mirrored(images: Tensor) -> Tensor:
    """Mirror each of (n, h, w, 3) images left to right with probability 0.5."""
    coins = torch.rand(len(images), device=images.device) < 0.5
    return torch.where(coins[:, None, None, None], images.flip(2), images)
