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
"""How the weight of CLIP guidance grows from tick to tick."""

LrSchedule = Literal["const", "step"]
"""Whether the learning rate is halved at some ticks."""

_LONG = 1000  # ticks until guidance has its weight
_COSINE = 1 - 1e-7  # arccos has no slope at 1


def discriminator_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Compute the hinge loss of (n, l) logits, over n once more: the published scale of a micro-batch."""
    return (functional.relu(1 + fake).mean() + functional.relu(1 - real).mean()) / len(fake)


def generator_loss(fake: Tensor) -> Tensor:
    """Compute the adversarial loss of (n, l) logits, over n once more.

    Guidance has no such factor: a weight of 0.2 counts 1.6 times the adversarial loss at a micro-batch of 8.
    """
    return -fake.mean() / len(fake)


def angle_loss(image: Tensor, condition: Tensor) -> Tensor:
    """Average the squared angle between the rows of (n, d) and (n, d), each of length 1."""
    cosine = (image * condition).sum(dim=1).clamp(-_COSINE, _COSINE)
    return torch.arccos(cosine).square().mean()


def clip_weight(schedule: ClipSchedule, weight: float, tick: int) -> float:
    """Give the weight of CLIP guidance at a tick, from 0."""
    if schedule == "step":
        return weight if tick >= _LONG else 0.0
    if schedule == "linear":
        return weight * min(tick / _LONG, 1.0)
    if schedule == "exp":
        # bounded before the power overflows, long after any weight is reached
        return min(1e-5 * 1.001 ** min(tick, 100 * _LONG), weight)
    return weight


def lr_factor(schedule: LrSchedule, tick: int, halved_at: tuple[int, ...]) -> float:
    """Give what the learning rate is multiplied by at a tick."""
    return 0.5 ** sum(tick >= then for then in halved_at) if schedule == "step" else 1.0


def blur_sigma(images: int, *, initial: float, fade_kimg: float) -> float:
    """Give the deviation of the discriminator's blur, in pixels, after so many images; none if it fades in 1 kimg."""
    return max(1 - images / (fade_kimg * 1000), 0.0) * initial if fade_kimg > 1 else 0.0


def ema_decay(images: int, batch: int, *, ramp: bool = True) -> float:
    """Give how much of the averaged generator is kept at a step, after so many images.

    The half-life is 10 / 32 thousand images for each sample of the batch; with a ramp, never more than a twentieth of
    the way so far.
    """
    half_life = batch * 10 / 32 * 1000
    if ramp:
        half_life = min(half_life, 0.05 * images)
    return math.pow(0.5, batch / max(half_life, 1e-8))
