"""StyleGAN-G: patches drawn from expression, after a contrastive model that retrieves.

Lohmann, Valdeolivas & Vasiljevic (2025), *Connecting Gene Expression and Tissue Morphology with Conditional Generative
Models*, ICML Workshop on Generative AI and Biology. Written from the specification ``clip_gan.md`` alone; no code was
consulted: the authors' is Apache-2.0, but its generator and discriminator derive from StyleGAN-T, under NVIDIA's
non-commercial licence.

For ``generate``, the method first trains the contrastive model, on features of the same patches that it is to draw,
then the generator, conditioned on that model's embedding of the expression. Other tasks are left to the contrastive
model alone (`histobench_heads.frames.clip`).

Differences from the published method
-------------------------------------
* The encoder is any registered one, with its own normalisation; published: UNI for CLIP and its guidance, a DINO ViT-S
  with ImageNet's statistics for the discriminator. Here one encoder serves both.
* The features of the contrastive model are computed once; published: mirrored and with jittered colours, every step.
* The generator is trained on clean embeddings; published: on embeddings with the contrastive model's dropout
  (``condition_dropout``).
* A prompt is scaled to the median total of the training slides, so that the patch of a spot does not depend on other
  spots; published: to the median of its file.
* With its own expression network, the condition of the generator comes from that network. That of the discriminator,
  which the specification does not describe, always comes from the contrastive model.
* One process: gradients are not exchanged between several. Precision is the platform's; published: float16 on a GPU
  for the four highest resolutions.
* Fixed: the cosine in guidance is clamped, optimisers are kept on resuming, checkpoints contain no code.
* The moving average after the last tick is used: nothing is selected.

A published snapshot (`histobench_heads.clip_gan.conversion`) is a generator with the gene branch alone, so that its
images have no embedding in the contrastive model's space.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from histobench import (
    ConfigError,
    Counts,
    Drawing,
    FitContext,
    Float,
    Generated,
    LabelledSamples,
    Method,
    Pairing,
    Patches,
    Prediction,
    Samples,
    UInt8,
)
from histobench.training import generator as random_generator
from histobench.training import load_weights, save_weights, seeded
from histobench_heads.clip_gan.drawing import draw_images, render
from histobench_heads.clip_gan.features import to_patches
from histobench_heads.clip_gan.generator import Generator, GeneratorShape, make_generator
from histobench_heads.clip_gan.mapping import Z_DIM
from histobench_heads.clip_gan.options import ClipGanOptions
from histobench_heads.clip_gan.published import continue_from, read_generator
from histobench_heads.clip_gan.training import Lesson, train_generator
from histobench_heads.frames.clip.fitting import Pairs, embed_genes, embed_images, fit_clip
from histobench_heads.frames.clip.method import ClipRetrieval
from histobench_heads.frames.clip.modules import GeneClip
from histobench_heads.frames.clip.reader import ClipReader
from histobench_heads.frames.clip.vocabulary import Vocabulary
from histobench_heads.frames.frozen import frozen_module
from histobench_heads.frames.saved import read_facts, write_facts
from histobench_heads.frames.streams import spot_streams

__all__ = ["ClipGan"]

_WEIGHTS = "weights.safetensors"
_WHO = "clip-gan"
_AT_ONCE = 64
_SHUFFLE = 10_003  # stream of randomness for breaking the pairing


class ClipGan(Method):
    """Draw patches from expression, or retrieve by the contrastive model alone.

    Attributes
    ----------
    vocabulary
        Genes of a prompt; ``None`` before a fit for ``generate``.
    """

    def __init__(self, options: ClipGanOptions) -> None:
        if options.epochs is not None:
            options = replace(options, clip_epochs=options.epochs)
        self.options = options
        self.vocabulary: Vocabulary | None = None
        self._retrieval: ClipRetrieval | None = None
        self._clip: GeneClip | None = None
        self._generator: Generator | None = None
        self._encoder: nn.Module | None = None
        self._side = 0
        self._seed = 0
        self._looks = True

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        if train.targets.kind != "generate":
            self._retrieval = ClipRetrieval(self.options)
            self._retrieval.fit(train, val, context)
            return
        self._retrieval = None
        self._seed, self._looks = context.seed, True
        named = self.options.start_from
        start = read_generator(Path(named)) if named else None  # before any training, because the file may be missing
        self._set_encoder(context)
        self.vocabulary = Vocabulary.of(train.need_counts(_WHO), train.slide_ids, self.options)
        pairs = self._pairs(train)
        if self.options.shuffle_prompts:
            order = random_generator(context.seed, _SHUFFLE).permutation(len(train))
            pairs = pairs._replace(expression=pairs.expression[order])
        validation = None if val is None else self._pairs(val)
        self._clip = fit_clip(*pairs, options=self.options, context=context, validation=validation)
        self._clip.requires_grad_(False)
        lesson = Lesson(
            patches=train.need_patches(_WHO),
            expression=torch.as_tensor(pairs.expression),
            condition=torch.as_tensor(embed_genes(self._clip, pairs.expression)),
            clip=self._clip,
            encoder=self._network(),
            side=self._side,
        )
        generator = self._new_generator(self._clip, self.vocabulary)
        if start is not None:
            continue_from(generator, start)
        self._generator = train_generator(
            generator, lesson, options=self.options, context=context, first_epoch=self.options.clip_epochs
        )

    @override
    def predict(self, samples: Samples) -> Prediction | Pairing | Generated:
        if self._retrieval is not None:
            return self._retrieval.predict(samples)
        clip, generator, vocabulary = self._made()
        expression = vocabulary.read(samples.need_counts(_WHO))
        z = np.stack([stream.standard_normal(Z_DIM) for stream in spot_streams(samples, self._seed)])
        options = self.options
        images = render(generator, z, self.encode(expression), truncation=options.truncation, noise=options.noise_mode)
        if not self._looks:
            return Generated(images=images)
        return Generated(images=images, image=self.view(images), expression=embed_genes(clip, expression))

    def view(self, patches: Patches) -> Float:
        """Embed (n, s, s, 3) patches in the contrastive model's space: (n, latent) of length 1."""
        clip, _, _ = self._made()
        if not self._looks:
            raise ConfigError("a converted snapshot has no image branch, so that patches cannot be embedded.")
        return embed_images(clip, self._features(patches))

    def gene_reader(self) -> ClipReader:
        """Return the gene branch, for the attribution of profiles to genes."""
        if self._retrieval is not None:
            return self._retrieval.gene_reader()
        clip, _, vocabulary = self._made()
        return ClipReader(clip, vocabulary)

    @property
    def genes(self) -> tuple[str, ...]:
        """The names (N,) of the genes of a prompt."""
        return self._made()[2].names

    def prompts(self, counts: Counts) -> Float:
        """Embed raw counts (p, g), genes by their names, as the generator's condition: (p, c)."""
        _, _, vocabulary = self._made()
        return self.encode(vocabulary.read(counts))

    def encode(self, expression: Float) -> Float:
        """Embed normalised log expression (p, N), genes in the vocabulary's order, as the condition: (p, c)."""
        clip, generator, vocabulary = self._made()
        vocabulary.check(expression)
        encoder = generator.eval().encoder
        if encoder is None:
            return embed_genes(clip, expression)
        with torch.no_grad():
            given = torch.as_tensor(expression, dtype=torch.float32, device=generator.mapping.x_avg.device)
            encoded: Float = encoder(given).cpu().numpy()
        return encoded

    def draw(self, prompts: Float, drawing: Drawing) -> UInt8:
        """Draw from prompts (p, c): (p, seeds * samples, s, s, 3) uint8, all samples of a seed together."""
        _, generator, _ = self._made()
        return draw_images(generator, prompts, drawing)

    @override
    def save(self, folder: Path) -> None:
        if self._retrieval is not None:
            self._retrieval.save(folder)
            return
        clip, generator, vocabulary = self._made()
        image_dim = clip.gene_projection.projection.in_features
        made = {"draws": True, "looks": self._looks, "image_dim": image_dim, "seed": self._seed}
        write_facts(folder, {**made, **vocabulary.as_facts()})
        save_weights(nn.ModuleDict({"clip": clip, "generator": generator}).requires_grad_(True), folder / _WEIGHTS)

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        facts = read_facts(folder)
        if not facts.get("draws", False):
            self._retrieval = ClipRetrieval(self.options)
            self._retrieval.load(folder, context)
            return
        self._retrieval = None
        self._seed = facts["seed"]
        self.vocabulary = Vocabulary.from_facts(facts)
        with seeded(self._seed):
            self._clip = GeneClip(len(self.vocabulary.names), facts["image_dim"], self.options)
        self._looks = facts.get("looks", True)
        if not self._looks:
            del self._clip.image_projection  # a published snapshot has none
        self._generator = self._new_generator(self._clip, self.vocabulary)
        both = nn.ModuleDict({"clip": self._clip, "generator": self._generator}).to(context.device)
        load_weights(both, folder / _WEIGHTS)
        both.eval().requires_grad_(False)
        self._encoder = None
        if context.encoder is not None and self._looks:
            self._set_encoder(context)

    def _set_encoder(self, context: FitContext) -> None:
        """Freeze the encoder of the context, or raise `ConfigError` if there is none."""
        if context.encoder is None:
            raise ConfigError("clip-gan needs a frozen encoder for its discriminator, and the context has none.")
        self._side = self.options.feature_px or context.encoder.geometry.patch_px
        self._encoder = frozen_module(context.encoder, context.device)

    def _network(self) -> nn.Module:
        if self._encoder is None:
            raise ConfigError("clip-gan needs its encoder to embed patches; load it with one in the context.")
        return self._encoder

    def _new_generator(self, clip: GeneClip, vocabulary: Vocabulary) -> Generator:
        shape = GeneratorShape(n_genes=len(vocabulary.names), latent=self.options.latent_dim)
        with seeded(self._seed):
            return make_generator(self.options, shape, clip)

    def _pairs(self, samples: LabelledSamples) -> Pairs:
        """Pair the features and the expression of spots."""
        if self.vocabulary is None:
            raise ConfigError("this method has learned nothing yet; fit or load it first.")
        expression = self.vocabulary.read(samples.need_counts(_WHO), samples.slide_ids)
        return Pairs(self._features(samples.need_patches(_WHO)), expression)

    def _features(self, patches: Patches) -> Float:
        """Compute the features of n (s, s, 3) uint8 patches in the same way as of generated ones: (n, d) float32."""
        network = self._network()
        device = next(network.parameters()).device
        parts: list[Tensor] = []
        with torch.no_grad():
            for start in range(0, len(patches), _AT_ONCE):
                some = torch.as_tensor(patches[start : start + _AT_ONCE]).to(device).permute(0, 3, 1, 2).float()
                parts.append(network(to_patches(some / 127.5 - 1, self._side)).float().cpu())
        return torch.cat(parts).numpy()

    def _made(self) -> tuple[GeneClip, Generator, Vocabulary]:
        if self._clip is None or self._generator is None or self.vocabulary is None:
            raise ConfigError("this method has not learned to draw; fit or load it for 'generate' first.")
        return self._clip, self._generator, self.vocabulary
