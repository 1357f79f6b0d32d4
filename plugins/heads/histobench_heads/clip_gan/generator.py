"""The generator: mapping, synthesis, and an encoder of the condition if it is trained with them."""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histobench_heads.clip_gan.mapping import MLP_WIDTH, Z_DIM, ExpressionMlp, Mapping
from histobench_heads.clip_gan.options import ClipGanOptions
from histobench_heads.clip_gan.synthesis import NoiseMode, Synthesis, SynthesisShape
from histobench_heads.frames.clip.modules import GeneClip

__all__ = ["Generator", "GeneratorShape", "choose_trained", "make_generator", "to_uint8"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorShape:
    """What a generator is made for, in addition to the options.

    Attributes
    ----------
    n_genes
        Genes of the vocabulary.
    latent
        Width of the contrastive model's space.
    """

    n_genes: int
    latent: int


class GeneBranch(nn.Module):
    """The contrastive model's gene branch, to be trained with the generator: (n, N) to (n, latent) of length 1."""

    def __init__(self, clip: GeneClip) -> None:
        super().__init__()
        self.gex_encoder = nn.Sequential(deepcopy(clip.gene_encoder), deepcopy(clip.gene_projection))

    @override
    def forward(self, expression: Tensor) -> Tensor:
        return functional.normalize(self.gex_encoder(expression), dim=1, eps=1e-12)


class Generator(nn.Module):
    """Draw an image from noise (n, z) and a condition (n, c): (n, 3, s, s), nominally in [-1, 1].

    Parameters
    ----------
    condition_width
        Width c of the condition.
    gain
        Factor of the condition.
    """

    def __init__(self, mapping: Mapping, synthesis: Synthesis, condition_width: int, *, gain: float = 1.0) -> None:
        super().__init__()
        self.mapping = mapping
        self.synthesis = synthesis
        self.condition_width = condition_width
        self._gain = gain

    @property
    def encoder(self) -> nn.Module | None:
        """Its own encoder from expression to condition; ``None`` if the contrastive model's is used."""
        return getattr(self.mapping, "c_encoder", None)

    @override
    def forward(self, z: Tensor, condition: Tensor, *, truncation: float = 1.0, noise: NoiseMode = "random") -> Tensor:
        w = self.mapping(z, condition * self._gain, truncation=truncation)
        image: Tensor = self.synthesis(w[:, None].expand(-1, self.synthesis.num_ws, -1), noise=noise)
        return image


def make_generator(options: ClipGanOptions, shape: GeneratorShape, clip: GeneClip) -> Generator:
    """Make a generator; its random weights are drawn from torch's generator.

    Parameters
    ----------
    clip
        Initial weights of the encoder of the condition, if that is trained.
    """
    encoder: nn.Module | None = None
    width = shape.latent
    if options.gene_encoder == "mlp":
        encoder, width = ExpressionMlp(shape.n_genes), MLP_WIDTH
    elif options.train_mode == "text_encoder":
        encoder = GeneBranch(clip).requires_grad_(True)
    synthesis = SynthesisShape(
        w_dim=Z_DIM + width,
        image_px=options.patch_px,
        channel_base=options.channel_base,
        channel_max=options.channel_max,
        res_blocks=options.res_blocks,
        groups=options.groups,
    )
    return Generator(Mapping(encoder=encoder), Synthesis(synthesis), width, gain=options.condition_gain)


def choose_trained(generator: Generator, options: ClipGanOptions) -> None:
    """Freeze the parameters that ``train_mode`` excludes."""
    for name, parameter in generator.named_parameters():
        parameter.requires_grad_(_is_trained(name, options))


def to_uint8(images: Tensor) -> Tensor:
    """Turn (n, 3, h, w) in [-1, 1] into (n, h, w, 3) uint8, truncated towards zero."""
    return (images * 127.5 + 128).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def _is_trained(name: str, options: ClipGanOptions) -> bool:
    if options.train_mode == "text_encoder":
        return name.startswith("mapping.c_encoder.")
    if options.frozen_px is None:
        return True
    part, block, *rest = name.split(".")
    return part == "synthesis" and (int(block[1:]) > options.frozen_px or rest[0] == "torgb")
