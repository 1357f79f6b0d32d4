"""The options of HE2Gene, Base and Spat, and the sources of their defaults; no import here is heavy."""

from dataclasses import dataclass
from typing import Literal

from histobench_heads.frames.checks import at_least, not_negative, positive

__all__ = ["Average", "He2GeneOptions", "He2GeneSpatOptions", "LabelHead", "side_to_read"]

Average = Literal["single", "grid", "tta", "grid_tta"]
"""Views of a test patch that are averaged: one; three windows; eight symmetries; both, which makes 24."""

LabelHead = Literal["tumour", "classes"]
"""Target of the third head: the probability of tumour, or all classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class He2GeneOptions:
    """How HE2Gene is trained, and how it views a test patch.

    Attributes
    ----------
    epochs, patience
        Maximum number of epochs, and of epochs in a row without a lower validation error before training stops.
    batch
        Spots in a step.
    decay, decay_epochs
        The learning rate is multiplied by ``decay`` every so many epochs.
    clip
        Largest norm of the gradient.
    weight_other, weight_label
        Weights of the error of the other genes and of the cross-entropy of the label; the panel has weight 1.
    label_head
        See `LabelHead`.
    tumour
        Classes that are tumour. Without any of them in a dataset, or without others, there is no tumour head.
    average
        Views of a test patch that are averaged; see `Average`.
    augment
        Apply one of the eight symmetries, drawn in every epoch, to each training patch.
    start_at_mean
        Start the gene heads with the mean of the training spots as bias, as in ST-Net.
    statistics
        Normalise pixels by the channels of the ``training`` patches, or as in the pretraining of the ``encoder``.
    window_um
        Side of the window around a spot, in microns.
    patch_px
        Side in pixels to which a window is resized.
    """

    epochs: int = 100  # he2gene, section 7
    patience: int = 10  # he2gene, section 7
    batch: int = 256  # he2gene, section 6
    lr: float = 1e-5  # he2gene, section 7
    weight_decay: float = 1e-4  # he2gene, section 7: L2 added to the gradient
    decay: float = 0.5  # he2gene, section 7
    decay_epochs: int = 10  # he2gene, section 7
    clip: float = 1.0  # he2gene, section 7
    weight_other: float = 20.0  # he2gene, section 6
    weight_label: float = 1.0  # he2gene, section 6
    label_head: LabelHead = "tumour"  # he2gene, section 3.2; "classes" is the HER2+ variant of section 3.4
    tumour: tuple[str, ...] = ("invasive cancer", "cancer in situ", "tumour")  # ours: her2st's and the synthetic ones
    average: Average = "tta"  # he2gene, section 9.12: one mode, fixed in advance
    augment: bool = True  # he2gene, section 2.4
    start_at_mean: bool = False  # he2gene, section 3.5; True where there are few epochs
    statistics: Literal["training", "encoder"] = "training"  # he2gene, section 2.4
    window_um: float = 100.95  # he2gene, section 2.4: 150 pixels of 0.673 µm
    patch_px: int = 224  # he2gene, section 2.4

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        at_least(self, 1, "epochs", "patience", "decay_epochs", "patch_px")
        at_least(self, 2, "batch")
        not_negative(self, "weight_other", "weight_label", "weight_decay")
        positive(self, "lr", "decay", "clip", "window_um")


@dataclass(frozen=True, slots=True, kw_only=True)
class He2GeneSpatOptions(He2GeneOptions):
    """The same, and how a spot is pulled to its neighbours with the same label.

    Attributes
    ----------
    batch
        Seed spots in a step, not counting their neighbours.
    weight_spatial
        Weight of the squared distance to the neighbours' mean.
    missing
        ``drop``: the network sees every seed and every neighbour with the same label once. ``black``: it sees eight
        neighbours of every seed, as published, with a black patch for a missing one.
    contiguous
        Take the seeds of a step from one compact part of a slide, so that most neighbours are seeds themselves;
        otherwise at random from all slides, as published.
    """

    batch: int = 32  # he2gene, section 6
    weight_other: float = 100.0  # he2gene, section 6
    weight_spatial: float = 0.01  # he2gene, section 6
    missing: Literal["drop", "black"] = "drop"  # he2gene, section 9.10; published: black
    contiguous: bool = True  # ours; published: False

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        He2GeneOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        not_negative(self, "weight_spatial")


def side_to_read(options: He2GeneOptions, /) -> int:
    """Return the side of the patch that contains all windows of the average, in pixels."""
    return options.patch_px * 3 // 2 if options.average.startswith("grid") else options.patch_px
