"""Training of the contrastive model, on features of a frozen encoder that are computed once."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from histobench import DataError, FitContext, Float, Int, ShapeError
from histobench.training import Recipe, fit_module, generator, seeded, shuffled
from histobench_heads.frames.clip.modules import GeneClip, Standardise, clip_loss
from histobench_heads.frames.clip.options import ClipOptions

__all__ = ["Pairs", "embed_genes", "embed_images", "fit_clip"]

_MOST_BATCHES = 50  # clip_gan, section 2.4: validation batches
_SPOTS_AT_ONCE = 1024
_DRAW, _VALIDATION = 10_001, 10_002  # streams of randomness, separate from those of the epochs


class Pairs(NamedTuple):
    """Image features and expression of the same spots.

    Attributes
    ----------
    features
        (n, d) of the frozen encoder.
    expression
        (n, N) normalised, in the vocabulary's order.
    """

    features: Float
    expression: Float


def fit_clip(
    features: Float,
    expression: Float,
    *,
    options: ClipOptions,
    context: FitContext,
    validation: Pairs | None = None,
) -> GeneClip:
    """Train the contrastive model on (n, d) features and (n, N) expression, and return it in evaluation mode.

    With validation spots the epoch of their lowest loss is kept. A killed fit resumes from ``context.resume / "clip"``.

    Raises
    ------
    DataError
        If there are fewer than two spots, or training diverges.
    """
    _check(features, expression)
    chosen = _drawn(len(features), options, context)
    images, genes = (torch.as_tensor(part[chosen], dtype=torch.float32) for part in (features, expression))
    module = _new(images, genes, options, context)

    def step(wrapped: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        image, expressed = wrapped(*batch)
        return {"loss": clip_loss(image, expressed, options.temperature)}

    def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in shuffled(len(chosen), options.clip_batch, seed=context.seed, epoch=epoch, drop_last=True):
            yield images[rows], genes[rows]

    recipe = Recipe(
        epochs=options.clip_epochs,
        lr=options.clip_lr,
        optimiser="adamw",
        weight_decay=options.clip_weight_decay,
    )
    resume = None if context.resume is None else context.resume / "clip"
    fit_module(
        module,
        step,
        batches,
        recipe=recipe,
        context=replace(context, resume=resume),
        validate=None if validation is None else _selection(validation, options, context),
    )
    return module


def embed_images(module: GeneClip, features: Float) -> Float:
    """Embed (n, d) features: (n, latent) float32 of length 1."""
    return _embed(module, module.image, features)


def embed_genes(module: GeneClip, expression: Float) -> Float:
    """Embed (n, N) normalised expression: (n, latent) float32 of length 1."""
    return _embed(module, module.genes, expression)


def _check(features: Float, expression: Float) -> None:
    if len(features) != len(expression):
        raise ShapeError(f"features of {len(features)} spots cannot be paired with expression of {len(expression)}.")
    if len(features) < 2:
        raise DataError(f"a contrastive loss needs at least 2 training spots, got {len(features)}.")


def _new(images: Tensor, genes: Tensor, options: ClipOptions, context: FitContext) -> GeneClip:
    """Draw the weights, and measure the scale of the features."""
    with seeded(context.seed):
        module = GeneClip(genes.shape[1], images.shape[1], options)
    if isinstance(module.standardise, Standardise):
        module.standardise.measure(images)
    return module


def _drawn(n: int, options: ClipOptions, context: FitContext) -> Int:
    """Draw the rows to train on: all, or ``max_size`` of them, in order."""
    if n <= options.max_size:
        return np.arange(n)
    drawn: Int = np.sort(generator(context.seed, _DRAW).permutation(n)[: options.max_size])
    return drawn


def _selection(pairs: Pairs, options: ClipOptions, context: FitContext) -> Callable[[nn.Module], float]:
    """Score by the negative loss over batches that are shuffled once; the incomplete last one is used too."""
    order = generator(context.seed, _VALIDATION).permutation(len(pairs.features))
    rows = [order[start : start + options.clip_batch] for start in range(0, len(order), options.clip_batch)]

    def score(module: nn.Module) -> float:
        device = next(module.parameters()).device
        losses = []
        for batch in rows[:_MOST_BATCHES]:
            sides = (torch.as_tensor(part[batch], dtype=torch.float32, device=device) for part in pairs)
            image, expressed = module(*sides)
            losses.append(float(clip_loss(image, expressed, options.temperature)))
        return -float(np.mean(losses))

    return score


def _embed(module: GeneClip, branch: Callable[[Tensor], Tensor], values: Float) -> Float:
    device = next(module.parameters()).device
    parts = [np.empty((0, module.latent_dim), dtype=np.float32)]
    with torch.no_grad():
        for start in range(0, len(values), _SPOTS_AT_ONCE):
            part = torch.as_tensor(values[start : start + _SPOTS_AT_ONCE], dtype=torch.float32, device=device)
            parts.append(branch(part).float().cpu().numpy())
    embedded: Float = np.concatenate(parts)
    return embedded
