"""Adversarial training of the generator (``clip_gan.md``, sections 5 and 6).

A step uses one batch of real patches: first the discriminator is updated, then the generator, then its moving average.
Gradients of micro-batches are summed. A tick is ``tick_kimg`` images; each reseeds torch from (seed, tick), so that a
fit resumed after a kill takes exactly the steps of an uninterrupted one.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from histobench import DataError, FitContext, Int, Patches
from histobench.training import seeded
from histobench_heads.clip_gan.discriminator import Discriminator
from histobench_heads.clip_gan.features import FrozenFeatures, to_patches
from histobench_heads.clip_gan.generator import Generator, choose_trained
from histobench_heads.clip_gan.losses import (
    angle_loss,
    blur_sigma,
    clip_weight,
    discriminator_loss,
    ema_decay,
    generator_loss,
    lr_factor,
)
from histobench_heads.clip_gan.mapping import Z_DIM
from histobench_heads.clip_gan.operators import blur
from histobench_heads.clip_gan.options import ClipGanOptions, batches_of_ticks
from histobench_heads.clip_gan.state import GanState, trained_part
from histobench_heads.frames.clip.modules import GeneClip

__all__ = ["Lesson", "follow", "train_generator"]

_TICKS = 20_000  # stream of randomness of the ticks
_G_HALVED, _D_HALVED = (400, 450, 500), (400,)  # clip_gan, section 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What the generator learns from.

    Attributes
    ----------
    patches
        n of (s, s, 3) uint8.
    expression
        (n, N) float32 normalised, in the vocabulary's order.
    condition
        (n, latent) float32 of length 1: the embedding of the expression in the contrastive model's space.
    clip, encoder
        The contrastive model and the frozen encoder before it, used by guidance and discriminator.
    side
        Side to which images are resized for the encoder, in pixels.
    """

    patches: Patches
    expression: Tensor
    condition: Tensor
    clip: GeneClip
    encoder: nn.Module
    side: int

    def look(self, images: Tensor) -> Tensor:
        """Embed images (n, 3, h, w) in [-1, 1] in the contrastive model's space: (n, latent) of length 1."""
        features: Tensor = self.encoder(to_patches(images, self.side))
        return self.clip.image(features.float())


class _Micro(NamedTuple):
    """A micro-batch: (b, 3, s, s) real images in [-1, 1], their (b, N) expression and (b, latent) condition."""

    real: Tensor
    expression: Tensor
    condition: Tensor


@dataclass(slots=True, kw_only=True)
class _Course:
    """Training in progress, and its current tick."""

    state: GanState
    lesson: Lesson
    options: ClipGanOptions
    context: FitContext
    tick: int = 0

    def run_tick(self, batches: int) -> dict[str, float]:
        """Take the steps of a tick and average their reports."""
        self._set_rates()
        totals: dict[str, float] = {}
        with seeded(self.context.seed, _TICKS, self.tick):
            for _ in range(batches):
                for name, value in self._step().items():
                    totals[name] = totals.get(name, 0.0) + value / batches
        wrong = [f"{name} is {value}" for name, value in totals.items() if not math.isfinite(value)]
        if wrong:
            raise DataError(f"training diverged in tick {self.tick}: {wrong[0]}; lower the learning rates.")
        return totals

    def _step(self) -> dict[str, float]:
        state, options = self.state, self.options
        rows = state.next_rows(options.batch, seed=self.context.seed)
        parts = list(self._micro_batches(rows))
        state.generator.train()
        state.discriminator.train().requires_grad_(True)
        totals = {"discriminator_loss": 0.0, "loss": 0.0}
        for part in parts:
            loss = self._judge(part)
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own
            totals["discriminator_loss"] += loss.item() * len(part.real) / len(parts)
        _update(state.discriminator, state.discriminator_adam, len(parts))
        state.discriminator.requires_grad_(False)
        for part in parts:
            losses = self._draw(part)
            torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]  # torch's own
            totals["loss"] += losses["adversarial"].item() * len(part.real) / len(parts)
            for name in losses.keys() - {"adversarial"}:
                totals[name] = totals.get(name, 0.0) + losses[name].item() / len(parts)
        _update(state.generator, state.generator_adam, len(parts))
        resumed = bool(options.start_from)
        follow(state.average, state.generator, ema_decay(state.shown, options.batch, ramp=not resumed))
        state.shown += len(rows)
        return totals

    def _judge(self, part: _Micro) -> Tensor:
        """Compute the loss of the discriminator on generated, then real images."""
        with torch.no_grad():
            fake = self._generate(part)
        with self._autocast():
            judged = [self.state.discriminator(self._blur(images), part.condition) for images in (fake, part.real)]
        return discriminator_loss(judged[0].float(), judged[1].float())

    def _draw(self, part: _Micro) -> dict[str, Tensor]:
        """Draw images and compute the losses of the generator; their sum is minimised."""
        options = self.options
        fake = self._generate(part)
        with self._autocast():
            judged = self.state.discriminator(self._blur(fake), part.condition)
        losses = {"adversarial": generator_loss(judged.float())}
        weight = clip_weight(options.clip_schedule, options.clip_weight, self.tick)
        if options.clip_weight:
            with self._autocast():
                seen = self.lesson.look(_window(fake, options.clip_crop))
            losses["guidance"] = weight * angle_loss(seen.float(), part.condition)
        if options.rec_weight:
            losses["reconstruction"] = options.rec_weight * functional.mse_loss(fake, part.real)
        return losses

    def _generate(self, part: _Micro) -> Tensor:
        generator = self.state.generator
        z = torch.randn(len(part.real), Z_DIM, device=part.real.device)
        with self._autocast():
            images: Tensor = generator(z, self._condition(generator, part))
        return images

    def _condition(self, generator: Generator, part: _Micro) -> Tensor:
        """Return the generator's condition; an embedding not trained with it is clean, or noisy as published."""
        if generator.encoder is not None:
            noisy = self.options.gene_encoder == "mlp" or self.options.condition_dropout
            encoded: Tensor = generator.encoder.train(noisy)(part.expression)
            return encoded
        if not self.options.condition_dropout:
            return part.condition
        clip = self.lesson.clip.train()
        with torch.no_grad():
            dropped = clip.genes(part.expression)
        clip.eval()
        return dropped

    def _blur(self, images: Tensor) -> Tensor:
        options = self.options
        return blur(images, blur_sigma(self.state.shown, initial=options.blur_init, fade_kimg=options.blur_fade_kimg))

    def _micro_batches(self, rows: Int) -> Iterator[_Micro]:
        device = self.context.device
        for start in range(0, len(rows), self.options.micro_batch):
            some = rows[start : start + self.options.micro_batch]
            images = torch.as_tensor(self.lesson.patches[some]).to(device).permute(0, 3, 1, 2).float()
            expression, condition = self.lesson.expression[some], self.lesson.condition[some]
            yield _Micro(images / 127.5 - 1, expression.to(device), condition.to(device))

    def _autocast(self) -> torch.autocast:
        kind = self.context.device.partition(":")[0]
        return torch.autocast(kind, dtype=torch.bfloat16, enabled=self.context.precision == "bf16-mixed")

    def _set_rates(self) -> None:
        options = self.options
        for adam, rate, schedule, halved in (
            (self.state.generator_adam, options.generator_lr, options.g_lr_schedule, _G_HALVED),
            (self.state.discriminator_adam, options.d_lr, options.d_lr_schedule, _D_HALVED),
        ):
            for group in adam.param_groups:
                group["lr"] = rate * lr_factor(schedule, self.tick, halved)


def train_generator(
    generator: Generator, lesson: Lesson, *, options: ClipGanOptions, context: FitContext, first_epoch: int = 0
) -> Generator:
    """Train a generator and return its moving average in evaluation mode.

    Parameters
    ----------
    first_epoch
        Epoch under which the first tick is reported.

    Raises
    ------
    DataError
        If training diverges.
    """
    choose_trained(generator, options)
    with seeded(context.seed):
        features = FrozenFeatures(lesson.encoder, lesson.side)
        discriminator = Discriminator(features, lesson.condition.shape[1], gain=options.condition_gain)
    state = GanState.begin(
        generator.to(context.device),
        discriminator.to(context.device),
        len(lesson.patches),
        options=options,
        seed=context.seed,
    )
    state.load(context)
    for tick, numbers in enumerate(state.history):
        context.report(first_epoch + tick, numbers)  # from the attempt that was killed
    course = _Course(state=state, lesson=lesson, options=options, context=context)
    for batches in batches_of_ticks(options)[len(state.history) :]:
        course.tick = len(state.history)
        numbers = course.run_tick(batches)
        state.history.append(numbers)
        context.report(first_epoch + course.tick, numbers)
        state.save(context)
    return state.average.eval()


def follow(average: nn.Module, module: nn.Module, kept: float) -> None:
    """Move the average's parameters towards a module's, keeping this share of them, and copy its buffers."""
    with torch.no_grad():
        for mine, other in zip(average.parameters(), module.parameters(), strict=True):
            mine.copy_(other.lerp(mine, kept))
        for kept_same, buffer in zip(average.buffers(), module.buffers(), strict=True):
            kept_same.copy_(buffer)


def _update(module: nn.Module, adam: Optimizer, passes: int) -> None:
    """Take a step; non-finite gradients are replaced by bounded ones, as published."""
    for parameter in trained_part(module):
        if parameter.grad is not None:
            parameter.grad.mul_(passes)
            torch.nan_to_num(parameter.grad, nan=0.0, posinf=1e5, neginf=-1e5, out=parameter.grad)
    adam.step()
    adam.zero_grad(set_to_none=True)


def _window(images: Tensor, side: int | None) -> Tensor:
    """Cut the same random window out of all of (n, 3, h, w), if they are larger."""
    if side is None or images.shape[-1] <= side:
        return images
    top, left = torch.randint(0, images.shape[-1] - side + 1, (2,)).tolist()
    return images[:, :, top : top + side, left : left + side]
