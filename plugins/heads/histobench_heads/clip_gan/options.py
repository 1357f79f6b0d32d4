"""Options of StyleGAN-G; no import here is heavy.

Numbers marked *clip_gan* are the published ones, from the specification of Lohmann et al. (2025).
"""

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from histobench import ConfigError
from histobench_heads.frames.checks import at_least, not_negative, positive
from histobench_heads.frames.clip.options import RetrievalOptions

__all__ = ["ClipGanOptions", "batches_of_ticks"]

_FREEZE = re.compile(r"freeze(8|16|32|64|128)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipGanOptions(RetrievalOptions):
    """How the generator and its discriminator are built and trained, after the contrastive model.

    Attributes
    ----------
    patch_px
        Side of the patches that are learned and drawn: a power of two from 8 up.
    feature_px
        Side to which images are resized for the frozen encoder; ``None`` for the encoder's own.
    channel_base, channel_max, res_blocks, groups
        Of the synthesis network: a block at side r has min(base // r, max) channels and ``res_blocks`` pairs of layers.
    gene_encoder
        Source of the generator's condition: the contrastive model, or a separate network.
    train_mode
        What is trained. ``all``; ``text_encoder``: only the encoder of the condition; ``freeze8`` to ``freeze128``:
        only blocks above that side, and the layers from features to colours. The last two are for a generator that was
        trained before (``start_from``).
    start_from
        Folder of a saved method, from whose generator training starts; empty for a new one.
    kimg, tick_kimg
        Real images shown, in thousands, in total and per tick (one report). 0 leaves the generator untrained.
    epochs
        Epochs of the contrastive model and ticks of the generator; ``None`` to use ``clip_epochs`` and ``kimg``.
    batch, micro_batch
        Images of a step, and of one pass; the gradients of all passes of a step are summed.
    g_lr, d_lr, g_lr_schedule, d_lr_schedule
        Learning rates of generator and discriminator; ``step`` halves them at ticks 400, 450 and 500, and at tick 400.
    clip_weight, clip_schedule
        Weight of CLIP guidance, and its schedule: at once, after 1000 ticks, linear over 1000 ticks, or times 1.001 a
        tick.
    clip_crop
        Side of the random window of a larger image that guidance sees; ``None`` for the whole image.
    rec_weight
        Weight of the squared error against the real patch of the same expression.
    blur_init, blur_fade_kimg
        Deviation in pixels of the blur before the discriminator, and thousands of images until it has faded to none; 1
        or less for no blur.
    condition_dropout
        Train the generator on embeddings made with the contrastive model's dropout, as the published code does.
    condition_gain
        Factor of the condition, of length 1, for generator and discriminator.
    shuffle_prompts
        Pair every patch with the expression of another spot: a control that cannot learn the condition.
    truncation, noise_mode
        Of the patches drawn in prediction.
    """

    patch_px: int = 64  # clip_gan, section 6: required there; the smallest in the tables
    feature_px: int | None = None  # clip_gan, section 4: 224 for every encoder named there
    channel_base: int = 32768  # clip_gan, section 3.3: custom and lite
    channel_max: int = 512  # clip_gan, section 3.3: custom and lite
    res_blocks: int = 2  # clip_gan, section 3.3: custom and lite
    groups: int = 32  # clip_gan, section 3.1
    gene_encoder: Literal["clip", "mlp"] = "clip"  # clip_gan, section 6
    train_mode: str = "all"  # clip_gan, section 6
    start_from: str = ""  # clip_gan, section 6
    kimg: float = 25_000.0  # clip_gan, section 6
    tick_kimg: float = 4.0  # clip_gan, section 6
    epochs: int | None = None
    batch: int = 128  # clip_gan, sections 5 and 6: required there; as in its examples
    micro_batch: int = 8  # clip_gan, section 6
    g_lr: float | None = None  # clip_gan, section 6: see `generator_lr`
    d_lr: float = 0.002  # clip_gan, section 6
    g_lr_schedule: Literal["const", "step"] = "const"  # clip_gan, section 6
    d_lr_schedule: Literal["const", "step"] = "const"  # clip_gan, section 6
    clip_weight: float = 0.0  # clip_gan, section 6
    clip_schedule: Literal["const", "step", "linear", "exp"] = "const"  # clip_gan, section 6
    clip_crop: int | None = 64  # clip_gan, section 5
    rec_weight: float = 0.0  # clip_gan, section 6
    blur_init: float = 32.0  # clip_gan, section 6
    blur_fade_kimg: float = 1000.0  # clip_gan, section 6
    condition_dropout: bool = False  # clip_gan, section 5 recommends it off; published: on
    condition_gain: float = 1.0  # clip_gan, section 3.2
    shuffle_prompts: bool = False
    truncation: float = 1.0  # clip_gan, section 7
    noise_mode: Literal["const", "none"] = "const"  # clip_gan, section 7

    def __post_init__(self) -> None:
        """Refuse sizes of which no network can be built, and batches that cannot be split or normalised."""
        RetrievalOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        if self.patch_px < 8 or self.patch_px & (self.patch_px - 1):
            raise ConfigError(f"patch_px must be a power of two from 8 up, got {self.patch_px}.")
        at_least(self, 1, "res_blocks", "groups", "micro_batch", "epochs", "feature_px", "clip_crop")
        positive(self, "tick_kimg", "g_lr", "d_lr", "condition_gain")
        not_negative(self, "kimg", "clip_weight", "rec_weight", "blur_init", "blur_fade_kimg")
        self._check_channels()
        self._check_batches()
        self._check_train_mode()

    @property
    def generator_lr(self) -> float:
        """Learning rate of the generator; small if only the encoder of the condition is trained."""
        if self.g_lr is not None:
            return self.g_lr
        return 3e-6 if self.train_mode == "text_encoder" else 0.002  # clip_gan, section 6

    @property
    def frozen_px(self) -> int | None:
        """Side of the largest block that is not trained; ``None`` if all are."""
        found = _FREEZE.fullmatch(self.train_mode)
        return int(found[1]) if found else None

    def _check_channels(self) -> None:
        fewest = min(self.channel_base // self.patch_px, self.channel_max)
        if not fewest or fewest % self.groups or self.channel_max % self.groups:
            raise ConfigError(
                f"{self.groups} groups must divide every number of channels, and the last block has {fewest} "
                f"(channel_base {self.channel_base} // patch_px {self.patch_px}, at most {self.channel_max})."
            )

    def _check_batches(self) -> None:
        if self.batch < 1 or self.batch % self.micro_batch:
            raise ConfigError(f"batch must be a multiple of micro_batch {self.micro_batch}, got {self.batch}.")
        if self.micro_batch > 8 and self.micro_batch % 8:
            raise ConfigError(
                f"micro_batch must be at most 8 or a multiple of 8, because samples are normalised in groups of 8, got "
                f"{self.micro_batch}."
            )

    def _check_train_mode(self) -> None:
        if self.train_mode not in ("all", "text_encoder") and self.frozen_px is None:
            raise ConfigError(
                f"train_mode must be all, text_encoder, or freeze8 to freeze128, got {self.train_mode!r}."
            )


def batches_of_ticks(options: ClipGanOptions) -> list[int]:
    """Count the batches of each tick."""
    per_tick = options.tick_kimg * 1000 / options.batch
    if options.epochs is not None and options.kimg:
        ends = [max(round(per_tick * tick), tick) for tick in range(options.epochs + 1)]
    else:
        ticks = math.ceil(options.kimg / options.tick_kimg)
        last = math.ceil(options.kimg * 1000 / options.batch)
        ends = [min(round(per_tick * tick), last) for tick in range(ticks)] + [last]
    return [end - start for start, end in pairwise(ends) if end > start]
