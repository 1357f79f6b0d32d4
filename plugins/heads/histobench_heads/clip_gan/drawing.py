"""Images drawn on demand: latents from seeds, shift and rotation of the image (``clip_gan.md``, section 7)."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from histobench import Drawing, Float, ShapeError, UInt8
from histobench.training import seeded
from histobench_heads.clip_gan.generator import Generator, to_uint8
from histobench_heads.clip_gan.mapping import Z_DIM
from histobench_heads.clip_gan.synthesis import FourierInput, NoiseMode

__all__ = ["draw_images", "latents", "render"]

_AT_ONCE = 16


def draw_images(generator: Generator, prompts: Float, drawing: Drawing) -> UInt8:
    """Draw from prompts (p, c): (p, seeds * samples, s, s, 3) uint8, all samples of a seed together."""
    if prompts.ndim != 2:
        raise ShapeError(f"prompts must be (p, c) embeddings, got {prompts.shape}.")
    with _placed(generator, drawing):
        parts = [_draw_seed(generator, prompts, drawing, seed) for seed in drawing.seeds]
    return np.concatenate(parts, axis=1)


def latents(seed: int, n_prompts: int, drawing: Drawing) -> Float:
    """Draw the latents of a seed: (p, samples, z) float64, from numpy's legacy generator, as published."""
    stream = np.random.RandomState(seed)  # so that seeds give the published images
    if drawing.same_seed:
        return np.broadcast_to(stream.randn(drawing.n_samples, Z_DIM), (n_prompts, drawing.n_samples, Z_DIM))
    drawn: Float = stream.randn(n_prompts, drawing.n_samples, Z_DIM)
    return drawn


def render(
    generator: Generator, z: Float, prompts: Float, *, truncation: float = 1.0, noise: NoiseMode = "const"
) -> UInt8:
    """Draw one image from each row of (n, z) and (n, c): (n, s, s, 3) uint8."""
    if len(prompts) and prompts.shape[1] != generator.condition_width:
        raise ShapeError(f"prompts must be (p, {generator.condition_width}) embeddings, got {prompts.shape}.")
    device = generator.mapping.x_avg.device
    generator.eval()
    images = []
    with torch.no_grad():
        for start in range(0, len(z), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            given = (torch.as_tensor(np.array(part[some], dtype=np.float32), device=device) for part in (z, prompts))
            drawn: Tensor = generator(*given, truncation=truncation, noise=noise)
            images.append(to_uint8(drawn).cpu().numpy())
    side = generator.synthesis.sides[-1]
    return np.concatenate(images) if images else np.empty((0, side, side, 3), dtype=np.uint8)


def _draw_seed(generator: Generator, prompts: Float, drawing: Drawing, seed: int) -> UInt8:
    """Draw all samples of a seed: (p, samples, s, s, 3)."""
    z = latents(seed, len(prompts), drawing).reshape(-1, Z_DIM)
    with seeded(seed):
        images = render(
            generator,
            z,
            np.repeat(prompts, drawing.n_samples, axis=0),
            truncation=drawing.truncation,
            noise=drawing.noise_mode,
        )
    return images.reshape(len(prompts), drawing.n_samples, *images.shape[1:])


@contextmanager
def _placed(generator: Generator, drawing: Drawing) -> Iterator[None]:
    """Shift and rotate the images of the generator inside the block."""
    place = generator.synthesis.get_submodule("b8.input")
    if not isinstance(place, FourierInput):
        raise TypeError(f"a synthesis network must begin with FourierInput, got {type(place).__name__!r}.")
    before = place.transform.clone()
    angle = math.radians(drawing.rotate)
    sine, cosine, (right, down) = math.sin(angle), math.cos(angle), drawing.translate
    wanted = torch.tensor([[cosine, sine, right], [-sine, cosine, down], [0.0, 0.0, 1.0]], dtype=torch.float64)
    place.transform.copy_(torch.linalg.inv(wanted))
    try:
        yield
    finally:
        place.transform.copy_(before)
