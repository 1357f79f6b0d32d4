"""Stable Diffusion that draws a patch for an expression, prompted by CLIP's embedding of it.

Written from the specification ``diffusion.md`` (the diffusion counterpart of Lohmann, Valdeolivas and Vasiljevic, 2025,
ICML Workshop on Generative AI and Biology, built on MorphoDiff) and ``clip_gan.md``, sections 1 and 2; no code of
either was consulted. Networks, noise, running mean and pipeline are those of ``diffusers`` (Apache-2.0). The weights of
Stable Diffusion v1.4, from which the published model starts, are CreativeML OpenRAIL-M.

Differences from the published method
-------------------------------------
* Training continues from the weights themselves; published: from their running mean after every checkpoint.
* The defaults are those of the publication's launch script where its program has others (`DiffusionOptions`).
* CLIP is trained first, on the fold's training slides, and then frozen; published: a matrix of embeddings made
  elsewhere. Its features are computed once, from the patches learned here, resized to the encoder's side.
* The embedding of no expression is CLIP's for a vector of zeros; published: a file that the user makes the same way.
* Guidance needs p_uncond; without it, a guidance scale above 1 is refused.
* Every image has its own seed, so that neither the order nor other images change it; published: one stream, or the same
  seed for every prompt.
* Patches are cut to the required side by the platform; published: resized when read.
* Precision and checkpoints are the platform's; no images are drawn during training.
* Warm-up is left out: with the published constant schedule it has no effect.
* ``space="pixels"`` is ours: it denoises the image itself if there is no pretrained autoencoder.
* A training spot without transcripts has the prompt of no expression.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from typing_extensions import override

from histobench import (
    ConfigError,
    Counts,
    DataError,
    Drawing,
    FitContext,
    Float,
    Generated,
    LabelledSamples,
    Method,
    Patches,
    Samples,
    UInt8,
)
from histobench.training import generator, load_weights, save_weights, seeded
from histobench_heads.clip_diffusion.features import embed_patches
from histobench_heads.clip_diffusion.network import build_networks, read_networks, write_networks
from histobench_heads.clip_diffusion.options import DiffusionOptions
from histobench_heads.clip_diffusion.sampling import draw_images
from histobench_heads.clip_diffusion.training import Denoiser, fit_denoiser
from histobench_heads.frames.clip.fitting import Pairs, embed_genes, embed_images, fit_clip
from histobench_heads.frames.clip.modules import GeneClip
from histobench_heads.frames.clip.vocabulary import Vocabulary
from histobench_heads.frames.frozen import frozen_module
from histobench_heads.frames.saved import read_facts, write_facts

__all__ = ["ClipDiffusion"]

_WHO = "clip-diffusion"
_CLIP, _PROMPTS = "clip.safetensors", "prompts.safetensors"
_NOT_HERE = ("truncation", "noise_mode", "translate", "rotate")
_SHUFFLE = 20_001  # a stream of randomness, separate from those of the epochs

Look: TypeAlias = Callable[[Patches], Float]
"""Patches to an encoder's features."""

Report: TypeAlias = Callable[[int, Mapping[str, float]], None]
"""Callback for an epoch and its numbers."""


class _Learned(NamedTuple):
    """The trained parts; the encoder is never trained."""

    vocabulary: Vocabulary
    clip: GeneClip
    denoiser: Denoiser


class ClipDiffusion(Method):
    """Draw a patch for the expression of each spot."""

    def __init__(self, options: DiffusionOptions) -> None:
        self.options = options
        self._learned: _Learned | None = None
        self._look: Look | None = None
        self._seed = 0

    @property
    def vocabulary(self) -> Vocabulary:
        """The genes of a prompt."""
        return self._made().vocabulary

    @property
    def genes(self) -> tuple[str, ...]:
        """The names (N,) of the genes of a prompt."""
        return self.vocabulary.names

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        options = self.options
        self._seed, self._look = context.seed, _look(context)
        if self._look is None:
            raise DataError("clip-diffusion needs an encoder for its features, and the context has none.")
        with seeded(context.seed):
            networks = build_networks(options)  # before any training, because pretrained weights may be missing
        vocabulary = Vocabulary.of(train.need_counts(_WHO), train.slide_ids, options)
        pairs = _pairs(train, vocabulary, self._look)
        clip = fit_clip(
            *pairs,
            options=options,
            context=replace(context, report=_report(context, "clip_", after=0)),
            validation=None if val is None else _pairs(val, vocabulary, self._look),
        )
        vectors = embed_genes(clip, pairs.expression)
        if options.shuffle_prompts:
            vectors = vectors[generator(context.seed, _SHUFFLE).permutation(len(vectors))]
        resume = None if context.resume is None else context.resume / "diffusion"
        denoiser = fit_denoiser(
            train.need_patches(_WHO),
            vectors,
            _embed_nothing(clip, vocabulary),
            networks=networks,
            options=options,
            context=replace(context, resume=resume, report=_report(context, "", after=options.clip_epochs)),
        )
        self._learned = _Learned(vocabulary, clip, denoiser)

    @override
    def predict(self, samples: Samples) -> Generated:
        prompts = self.prompts(samples.need_counts(_WHO))
        spots = zip(samples.slide_ids.tolist(), samples.spot_ids.tolist(), strict=True)
        seeds = [_seed_of(self._seed, *spot) for spot in spots]
        images = draw_images(self._made().denoiser, prompts, seeds, options=self.options)
        if self._look is None:
            return Generated(images=images)
        return Generated(images=images, image=self.view(images), expression=prompts)

    def view(self, patches: Patches) -> Float:
        """Embed (n, s, s, 3) patches in the contrastive model's space: (n, latent) of length 1."""
        if self._look is None:
            raise ConfigError("clip-diffusion needs its encoder to embed patches; load it with one in the context.")
        return embed_images(self._made().clip, self._look(patches))

    def prompts(self, counts: Counts) -> Float:
        """Embed raw counts (p, g), genes by their names: (p, latent) of length 1."""
        return self.encode(self.vocabulary.read(counts))

    def encode(self, expression: Float) -> Float:
        """Embed normalised log expression (p, N), genes in the vocabulary's order: (p, latent) of length 1."""
        self.vocabulary.check(expression)
        return embed_genes(self._made().clip, expression)

    def draw(self, prompts: Float, drawing: Drawing) -> UInt8:
        """Draw from prompts (p, latent): (p, seeds * samples, s, s, 3) uint8, all samples of a seed together.

        Raises
        ------
        ConfigError
            For a truncation, noise mode, shift or rotation, which only StyleGAN-G has.
        """
        asked = [name for name in _NOT_HERE if getattr(drawing, name) != getattr(Drawing(), name)]
        if asked:
            raise ConfigError(f"clip-diffusion has no {', '.join(asked)}: leave them out, or use clip-gan.")
        samples = [(seed, number) for seed in drawing.seeds for number in range(drawing.n_samples)]
        seeds = [
            _seed_of(seed, "" if drawing.same_seed else str(prompt), str(number))
            for prompt in range(len(prompts))
            for seed, number in samples
        ]
        images = draw_images(
            self._made().denoiser, np.repeat(prompts, len(samples), axis=0), seeds, options=self.options
        )
        return images.reshape(len(prompts), len(samples), *images.shape[1:])

    @override
    def save(self, folder: Path) -> None:
        vocabulary, clip, denoiser = self._made()
        facts = {
            "image_dim": clip.image_projection.projection.in_features,
            "seed": self._seed,
            "patch_px": self.options.patch_px,
            "pixels": "uint8 / 127.5 - 1",
            **{name: getattr(self.options, name) for name in ("n_tokens", "pad_value", "projection", "latent_dim")},
            **vocabulary.as_facts(),
        }
        write_facts(folder, facts)
        save_weights(clip, folder / _CLIP)
        write_networks(denoiser.finish(), folder)
        save_weights(denoiser.prompts, folder / _PROMPTS)

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        facts = read_facts(folder)
        self._seed, self._look = facts["seed"], _look(context)
        vocabulary = Vocabulary.from_facts(facts)
        options = replace(self.options, use_ema=False)  # the saved weights are the running mean, if there was one
        with seeded(0):  # every weight is then loaded
            clip = GeneClip(len(vocabulary.names), facts["image_dim"], options)
            load_weights(clip, folder / _CLIP)
            nothing = torch.from_numpy(_embed_nothing(clip.eval(), vocabulary))
            denoiser = Denoiser(read_networks(folder, options), nothing, options)
        load_weights(denoiser.prompts, folder / _PROMPTS)
        self._learned = _Learned(vocabulary, clip.to(context.device), denoiser.to(context.device).eval())

    def _made(self) -> _Learned:
        if self._learned is None:
            raise ConfigError("this method has learned nothing yet; fit or load it first.")
        return self._learned


def _look(context: FitContext) -> Look | None:
    """Return the frozen encoder of the context, or ``None``."""
    if context.encoder is None:
        return None
    module = frozen_module(context.encoder, context.device)
    return partial(embed_patches, module, side=context.encoder.geometry.patch_px, device=context.device)


def _pairs(samples: LabelledSamples, vocabulary: Vocabulary, look: Look) -> Pairs:
    return Pairs(look(samples.need_patches(_WHO)), vocabulary.read(samples.need_counts(_WHO), samples.slide_ids))


def _embed_nothing(clip: GeneClip, vocabulary: Vocabulary) -> Float:
    """Embed a vector of zeros: (latent,)."""
    nothing: Float = embed_genes(clip, np.zeros((1, len(vocabulary.names)), dtype=np.float32))[0]
    return nothing


def _report(context: FitContext, prefix: str, *, after: int) -> Report:
    """Return a callback that reports the epochs of a stage after those of the previous stage."""

    def report(epoch: int, numbers: Mapping[str, float]) -> None:
        context.report(after + epoch, {f"{prefix}{name}": value for name, value in numbers.items()})

    return report


def _seed_of(seed: int, *names: str) -> int:
    """Derive the seed of an image."""
    digest = hashlib.sha256("/".join([str(seed), *names]).encode()).digest()
    return int.from_bytes(digest[:7], "big")  # torch takes no more than 63 bits
