"""Objectives of self-supervised training, built from parts of lightly: DINO, SimCLR and MAE.

An objective is a module that holds the trained encoder and maps (n, s, s, 3) uint8 patches to a loss; only its `kept`
encoder is saved.

Differences from the published methods
--------------------------------------
* Views show any of the eight symmetries of the square, and are never grey or solarised: tissue has no orientation, and
  its stains carry the information.
* DINO's local views have the patch's own size, because not every network takes a smaller one, and its last layer is
  trained from the first step.
* All three train with AdamW; SimCLR was published with LARS.
"""

import copy
import math
import warnings
from typing import Protocol, cast, runtime_checkable

import torch
from lightly.loss import DINOLoss, NTXentLoss
from lightly.models import utils as parts
from lightly.models.modules import (
    DINOProjectionHead,
    MaskedVisionTransformerTIMM,
    SimCLRProjectionHead,
)
from lightly.models.modules.masked_vision_transformer_decoder_timm import MaskedVisionTransformerDecoderTIMM
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from histobench.errors import ConfigError
from histobench.weights.pretraining.options import DinoOptions, MaeOptions, Options, SimclrOptions
from histobench.weights.pretraining.views import crop_at_random, varied_view

__all__ = ["Dino", "Mae", "Objective", "Simclr", "make_objective"]


class Objective(nn.Module):
    """An encoder with the loss that trains it."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    @property
    def kept(self) -> nn.Module:
        """The encoder that is the result."""
        return self.encoder

    def follow(self, share: float) -> None:
        """Update after a step; ``share`` of the training is finished."""


class Dino(Objective):
    """Trains a student to match the teacher, its own moving average; the teacher is kept."""

    def __init__(self, encoder: nn.Module, dim: int, options: DinoOptions) -> None:
        super().__init__(encoder)
        self.options = options
        self.head = _dino_head(dim, options)
        self.teacher = copy.deepcopy(encoder).requires_grad_(False)
        # weight-normalised layers cannot be deep-copied
        self.teacher_head = _dino_head(dim, options).requires_grad_(False)
        self.teacher_head.load_state_dict(self.head.state_dict())
        self.loss = DINOLoss(options.prototypes, student_temp=options.student_temperature)

    @property
    def kept(self) -> nn.Module:
        """The teacher."""
        return self.teacher

    def forward(self, patches: Tensor, share: float) -> Tensor:
        """Compare the student's output on all views of (n, s, s, 3) patches with the teacher's on the large ones."""
        o = self.options
        large = [varied_view(patches, o, (o.crop, 1.0)) for _ in range(2)]
        small = [varied_view(patches, o, (o.local_crop, o.crop)) for _ in range(o.local_views)]
        with torch.no_grad():
            taught = self.teacher_head(self.teacher(torch.cat(large)))
        learned = self.head(self.encoder(torch.cat([*large, *small])))
        warmth = min(1.0, share / o.teacher_warm_up) if o.teacher_warm_up else 1.0
        temperature = o.first_teacher_temperature + warmth * (o.teacher_temperature - o.first_teacher_temperature)
        n = len(patches)
        loss: Tensor = self.loss(list(taught.split(n)), list(learned.split(n)), teacher_temp=temperature)
        return loss

    def follow(self, share: float) -> None:
        """Move the teacher a little towards the student."""
        momentum = 1 - (1 - self.options.momentum) * (math.cos(math.pi * share) + 1) / 2
        parts.update_momentum(self.encoder, self.teacher, momentum)
        parts.update_momentum(self.head, self.teacher_head, momentum)


class Simclr(Objective):
    """Distinguishes the two views of a patch from those of all others in the batch."""

    def __init__(self, encoder: nn.Module, dim: int, options: SimclrOptions) -> None:
        super().__init__(encoder)
        self.options = options
        self.head = SimCLRProjectionHead(dim, options.hidden, options.width)
        self.loss = NTXentLoss(temperature=options.temperature)

    def forward(self, patches: Tensor, share: float) -> Tensor:
        """Contrast two views of each of (n, s, s, 3) patches with all others."""
        del share
        views = [varied_view(patches, self.options, (self.options.crop, 1.0)) for _ in range(2)]
        one, other = self.head(self.encoder(torch.cat(views))).chunk(2)
        loss: Tensor = self.loss(one, other)
        return loss


@runtime_checkable
class Normalising(Protocol):
    """A network with a function that normalises its pixels."""

    def normalise(self, patches: Tensor) -> Tensor:
        """Turn (n, h, w, 3) uint8 into (n, 3, h, w)."""
        ...


class Mae(Objective):
    """Predicts the pixels of hidden tokens from the visible ones.

    Parameters
    ----------
    is_new
        True for an encoder with random weights: it gets MAE's initialisation and its fixed position embedding.

    Raises
    ------
    ConfigError
        If the encoder is not a plain vision transformer of timm.
    """

    def __init__(self, encoder: nn.Module, options: MaeOptions, *, is_new: bool) -> None:
        super().__init__(encoder)
        transformer = _transformer(encoder)
        self.options = options
        self.token_px = int(transformer.patch_embed.patch_size[0])
        self.masked = MaskedVisionTransformerTIMM(
            transformer,
            weight_initialization="" if is_new else "skip",
            pos_embed_initialization="sincos" if is_new else "skip",
        )
        width = options.decoder_width
        self.entry = nn.Linear(transformer.embed_dim, width)
        self.decoder = MaskedVisionTransformerDecoderTIMM(
            num_patches=transformer.patch_embed.num_patches,
            embed_dim=width,
            depth=options.decoder_depth,
            num_heads=options.decoder_heads,
        )
        self.pixels = nn.Linear(width, 3 * self.token_px**2)

    def forward(self, patches: Tensor, share: float) -> Tensor:
        """Hide most tokens of (n, s, s, 3) patches and compare their predicted pixels with the true ones."""
        del share
        images = cast("Normalising", self.encoder).normalise(crop_at_random(patches, (self.options.crop, 1.0)))
        n, length = len(images), self.masked.sequence_length
        seen, hidden = parts.random_token_mask((n, length), self.options.hidden_share, device=images.device)
        visible = self.entry(self.masked.encode(images, idx_keep=seen))
        tokens = parts.repeat_token(self.decoder.mask_token, (n, length)).type_as(visible)
        tokens = parts.set_at_index(tokens, seen, visible)
        predicted = self.pixels(parts.get_at_index(self.decoder.decode(self.decoder.add_pos_embed(tokens)), hidden))
        # the class token has no pixels
        target = parts.get_at_index(parts.patchify(images, self.token_px), hidden - 1)
        if self.options.normalises:
            target = parts.normalize_mean_var(target)
        return nn.functional.mse_loss(predicted, target)


def make_objective(options: Options, encoder: nn.Module, dim: int, *, is_new: bool) -> Objective:
    """Return the objective for these options.

    Parameters
    ----------
    encoder
        Maps (n, s, s, 3) uint8 to (n, dim); it is trained in place.
    is_new
        True if its weights are random.
    """
    if isinstance(options, DinoOptions):
        return Dino(encoder, dim, options)
    if isinstance(options, SimclrOptions):
        return Simclr(encoder, dim, options)
    if isinstance(options, MaeOptions):
        return Mae(encoder, options, is_new=is_new)
    raise ConfigError(f"no objective takes {type(options).__name__}.")


def _dino_head(dim: int, options: DinoOptions) -> DINOProjectionHead:
    with warnings.catch_warnings():
        # lightly's head uses a deprecated function of torch
        warnings.filterwarnings("ignore", "`torch.nn.utils.weight_norm` is deprecated", FutureWarning)
        return DINOProjectionHead(dim, options.hidden, options.bottleneck, options.prototypes)


def _transformer(encoder: nn.Module) -> VisionTransformer:
    found = next((part for part in encoder.modules() if isinstance(part, VisionTransformer)), None)
    if found is None or not isinstance(encoder, Normalising):
        raise ConfigError(
            "method 'mae' hides tokens, and this encoder is not a vision transformer; use --method dino or simclr."
        )
    if found.num_prefix_tokens != 1 or found.no_embed_class:
        raise ConfigError("method 'mae' wants a vision transformer with a class token and no registers; take dino.")
    return found
