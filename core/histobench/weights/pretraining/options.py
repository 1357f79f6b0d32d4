"""Options of the self-supervised objectives.

References
----------
Caron et al. (2021), Emerging properties in self-supervised vision transformers, *ICCV* (DINO). Chen et al. (2020), A
simple framework for contrastive learning of visual representations, *ICML* (SimCLR). He et al. (2022), Masked
autoencoders are scalable vision learners, *CVPR* (MAE).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from histobench.contracts.options import checked_options
from histobench.errors import did_you_mean

__all__ = ["OPTIONS", "DinoOptions", "JitterOptions", "MaeOptions", "Options", "SimclrOptions", "settle_options"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of every objective.

    Attributes
    ----------
    lr, weight_decay
        Of AdamW; the rate rises during ``warm_up`` and decays along a cosine to a hundredth.
    warm_up
        Share of the training.
    crop
        Smallest share of a patch's area that a view shows.
    """

    lr: float = 5e-4  # DINO, implementation details: 5e-4 at 256 patches a batch; not scaled here
    weight_decay: float = 0.04  # DINO, implementation details, at the start
    warm_up: float = 0.1  # all three: 10 of 100 epochs, 10 of 300, 40 of 800
    crop: float = 0.4


@dataclass(frozen=True, kw_only=True)
class JitterOptions(Options):
    """How far the views of a patch differ in colour and sharpness; grey or solarised views do not resemble tissue.

    Attributes
    ----------
    brightness, contrast, saturation, hue, jitter_share
        See `histobench.training.ColourJitter`.
    blur_share
        Share of views that are blurred.
    """

    brightness: float = 0.4  # DINO, data augmentation of BYOL
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    jitter_share: float = 0.8
    blur_share: float = 0.5


@dataclass(frozen=True, kw_only=True)
class DinoOptions(JitterOptions):
    """DINO: a student learns to match a teacher, its own moving average.

    Attributes
    ----------
    local_views, local_crop
        Number of views for the student alone, and the smallest share of the area that they show; the largest is
        ``crop``.
    prototypes, hidden, bottleneck
        Widths of the head.
    momentum
        Of the teacher at the start; it rises along a cosine to one.
    student_temperature, teacher_temperature, first_teacher_temperature
        The teacher's rises over the first ``teacher_warm_up`` of the training.
    """

    local_views: int = 2  # published 8, smaller ones
    local_crop: float = 0.05
    prototypes: int = 4096  # published 65536, for a million images
    hidden: int = 1024  # published 2048
    bottleneck: int = 256
    momentum: float = 0.996
    student_temperature: float = 0.1
    teacher_temperature: float = 0.07
    first_teacher_temperature: float = 0.04
    teacher_warm_up: float = 0.3


@dataclass(frozen=True, kw_only=True)
class SimclrOptions(JitterOptions):
    """SimCLR: the two views of a patch are distinguished from those of all others in the batch.

    Attributes
    ----------
    temperature
        Of the similarities.
    hidden, width
        Widths of the head.
    """

    crop: float = 0.2  # published 0.08
    temperature: float = 0.1  # SimCLR, table 5
    hidden: int = 512  # published 2048, the width of a ResNet-50
    width: int = 128


@dataclass(frozen=True, kw_only=True)
class MaeOptions(Options):
    """MAE: most tokens are hidden, and their pixels are predicted from the others.

    Attributes
    ----------
    hidden_share
        Share of tokens that are hidden.
    decoder_width, decoder_depth, decoder_heads
        Of the transformer that predicts the pixels; it is not kept.
    normalises
        True to predict each token's pixels standardised by their mean and deviation.
    """

    lr: float = 1.5e-4  # MAE, table 8, at 256 patches a batch; not scaled here
    weight_decay: float = 0.05
    crop: float = 0.2
    hidden_share: float = 0.75
    decoder_width: int = 192  # published 512, for ViT-L
    decoder_depth: int = 2  # published 8
    decoder_heads: int = 3  # published 16
    normalises: bool = True


OPTIONS: Mapping[str, type[Options]] = {"dino": DinoOptions, "simclr": SimclrOptions, "mae": MaeOptions}
"""Value of ``--method`` → its options."""


def settle_options(method: str, values: Mapping[str, Any]) -> Options:  # Any: YAML scalars
    """Return an objective's options from its defaults and the given values.

    Raises
    ------
    ConfigError
        For an unknown method, an unknown option or a value of the wrong type.
    """
    if method not in OPTIONS:
        raise did_you_mean("method of pretraining", method, OPTIONS)
    return checked_options(OPTIONS[method], values, of=method)
