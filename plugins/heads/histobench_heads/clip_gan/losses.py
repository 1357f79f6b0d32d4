"""Losses and schedules of StyleGAN-G (``clip_gan.md``, sections 5 and 6)."""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "ClipSchedule",
    "LrSchedule",
    "angle_loss",
    "blur_sigma",
    "clip_weight",
    "discriminator_loss",
    "ema_decay",
    "generator_loss",
    "lr_factor",
]

ClipSchedule = Literal["const", "step", "linear", "exp"]
"""How the weight of CLIP guidance grows over the ticks."""

LrSchedule = Literal["const", "step"]
"""Whether the learning rate is halved at some ticks."""

_LONG = 1000  # ticks until guidance has its full weight
_COSINE = 1 - 1e-7  # the gradient of arccos is infinite at 1


def discriminator_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Compute the hinge loss of (n, l) logits, divided by n again: the published scale of a micro-batch."""
    return (functional.relu(1 + fake).mean() + functional.relu(1 - real).mean()) / len(fake)


def generator_loss(fake: Tensor) -> Tensor:
    """Compute the adversarial loss of (n, l) logits, divided by n again.

    Guidance has no such factor: a weight of 0.2 is 1.6 times the adversarial loss at a micro-batch of 8.
    """
    return -fake.mean() / len(fake)


def angle_loss(image: Tensor, condition: Tensor) -> Tensor:
    """Average the squared angle between the rows of (n, d) and (n, d), each of length 1."""
    cosine = (image * condition).sum(dim=1).clamp(-_COSINE, _COSINE)
    return torch.arccos(cosine).square().mean()


def clip_weight(schedule: ClipSchedule, weight: float, tick: int) -> float:
    """Return the weight of CLIP guidance at a tick, counted from 0."""
    if schedule == "step":
        return weight if tick >= _LONG else 0.0
    if schedule == "linear":
        return weight * min(tick / _LONG, 1.0)
    if schedule == "exp":
        # bounded before the power overflows, long after the weight is reached
        return min(1e-5 * 1.001 ** min(tick, 100 * _LONG), weight)
    return weight


def lr_factor(schedule: LrSchedule, tick: int, halved_at: tuple[int, ...]) -> float:
    """Return the factor of the learning rate at a tick."""
    return 0.5 ** sum(tick >= then for then in halved_at) if schedule == "step" else 1.0


def blur_sigma(images: int, *, initial: float, fade_kimg: float) -> float:
    """Return the deviation of the blur, in pixels, after so many images; 0 if ``fade_kimg`` is at most 1."""
    return max(1 - images / (fade_kimg * 1000), 0.0) * initial if fade_kimg > 1 else 0.0


def ema_decay(images: int, batch: int, *, ramp: bool = True) -> float:
    """Return the share of the averaged generator that is kept at a step, after so many images.

    The half-life is 10 / 32 thousand images per sample of the batch; with a ramp, at most a twentieth of the images so
    far.
    """
    half_life = batch * 10 / 32 * 1000
    if ramp:
        half_life = min(half_life, 0.05 * images)
    return math.pow(0.5, batch / max(half_life, 1e-8))
