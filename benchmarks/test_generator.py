"""The cost of training StyleGAN-G and drawing with it, compared with the forward pass of its synthesis network.

The generators are the smallest that are specified, with 32 channels at 32 and 64 pixels. The discriminator uses an
encoder with a thousand weights; ResNet-18 or a vision transformer would add the cost of its passes. Images per second
of CPU time and ratios are in ``extra_info``.
"""

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from histobench import FitContext
from histobench.testing import ToyEncoder
from histobench.training import seeded
from histobench_heads.clip_gan.drawing import render
from histobench_heads.clip_gan.generator import Generator, GeneratorShape, make_generator
from histobench_heads.clip_gan.mapping import Z_DIM
from histobench_heads.clip_gan.options import ClipGanOptions
from histobench_heads.clip_gan.training import Lesson, train_generator
from histobench_heads.frames.clip.modules import GeneClip
from histobench_heads.frames.frozen import frozen_module

SIDES = (32, 64)
LATENT, GENES, BATCH = 64, 50, 16
SHAPE = GeneratorShape(n_genes=GENES, latent=LATENT)


@pytest.mark.parametrize("side", SIDES)
def test_drawing_and_training_against_synthesis(benchmark: BenchmarkFixture, side: int) -> None:
    images = 8 * BATCH if benchmark.enabled else BATCH
    options = _options(side, images)
    with seeded(0):
        clip = GeneClip(GENES, 24, options).eval().requires_grad_(False)
        generator = make_generator(options, SHAPE, clip).eval()
    draw = np.random.default_rng(0)
    z, prompts = draw.normal(size=(images, Z_DIM)), draw.normal(size=(images, LATENT)) / np.sqrt(LATENT)
    drawn = benchmark(lambda: render(generator, z, prompts))
    assert drawn.shape == (images, side, side, 3)
    alone = _seconds(lambda: _synthesise(generator, images))
    drawing = _seconds(lambda: render(generator, z, prompts))
    training = _seconds(lambda: _train(generator, clip, options, prompts))
    benchmark.extra_info["synthesis alone, images/s"] = round(images / alone, 1)
    benchmark.extra_info["drawing, images/s"] = f"{images / drawing:.1f} ({drawing / alone:.2f} x the time)"
    benchmark.extra_info["training, images/s"] = f"{images / training:.1f} ({training / alone:.2f} x the time)"


def _options(side: int, images: int) -> ClipGanOptions:
    return ClipGanOptions(
        patch_px=side,
        channel_base=32 * side,
        channel_max=32,
        res_blocks=1,
        latent_dim=LATENT,
        hidden_dim=LATENT,
        batch=BATCH,
        micro_batch=BATCH,
        kimg=images / 1000,
        clip_weight=0.2,
        blur_fade_kimg=0.0,
    )


def _synthesise(generator: Generator, images: int) -> None:
    ws = torch.randn(BATCH, generator.synthesis.num_ws, Z_DIM + LATENT)
    generator.train()  # as in training: inputs and outputs are scaled, not the weights of each image
    with torch.no_grad():
        for _ in range(images // BATCH):
            generator.synthesis(ws)


def _train(generator: Generator, clip: GeneClip, options: ClipGanOptions, prompts: np.ndarray) -> None:
    side, n = options.patch_px, len(prompts)
    encoder = ToyEncoder(patch_px=side)
    lesson = Lesson(
        patches=np.random.default_rng(1).integers(0, 256, (n, side, side, 3), dtype=np.uint8),
        expression=torch.zeros(n, GENES),
        condition=torch.as_tensor(prompts, dtype=torch.float32),
        clip=clip,
        encoder=frozen_module(encoder, "cpu"),
        side=side,
    )
    train_generator(generator, lesson, options=options, context=FitContext(seed=0, encoder=encoder))


def _seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of a piece of work, which other work on the machine affects less."""
    start = time.process_time()
    work()
    return time.process_time() - start
