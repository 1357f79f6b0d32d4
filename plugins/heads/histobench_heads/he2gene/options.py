"""The options of HE2Gene, Base and Spat, and where their defaults come from; no import here is heavy."""

from dataclasses import dataclass
from typing import Literal

from histobench import ConfigError

__all__ = ["Average", "He2GeneOptions", "He2GeneSpatOptions", "LabelHead", "side_to_read"]

Average = Literal["single", "grid", "tta", "grid_tta"]
"""Views of a test patch that are averaged: one; three windows; eight symmetries; both, which makes 24."""

LabelHead = Literal["tumour", "classes"]
"""What is predicted of annotations: the probability of tumour, or all classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class He2GeneOptions:
    """How HE2Gene is trained, and how it looks at a test patch.

    Attributes
    ----------
    epochs, patience
        Most epochs, and how many in a row may bring no lower validation error before training stops.
    batch
        Spots in a step.
    decay, decay_epochs
        The learning rate is multiplied by ``decay`` every so many epochs.
    clip
        Largest norm of the gradient.
    weight_other, weight_label
        Weights of the error of the other genes and of the entropy of the label; the predicted genes weigh 1.
    label_head
        See `LabelHead`.
    tumour
        Classes that are tumour. Where a dataset has none of them, or no others, there is no head for tumour.
    average
        Views of a test patch that are averaged; see `Average`.
    augment
        Show each training patch in one of its eight symmetries, drawn anew every epoch.
    start_at_mean
        Start the genes' heads with the mean of the training spots as bias, as ST-Net does.
    statistics
        Normalise pixels by the channels of the ``training`` patches, or as the ``encoder`` was pretrained.
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
        """Refuse values that cannot be trained with."""
        for name in ("epochs", "patience", "decay_epochs", "patch_px"):
            _check_at_least(name, getattr(self, name), 1)
        _check_at_least("batch", self.batch, 2)
        for name in ("weight_other", "weight_label", "weight_decay"):
            _check_at_least(name, getattr(self, name), 0)
        for name in ("lr", "decay", "clip", "window_um"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"he2gene: option {name!r} must be positive, got {getattr(self, name)}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class He2GeneSpatOptions(He2GeneOptions):
    """The same, and how a spot is drawn to its neighbours of the same label.

    Attributes
    ----------
    batch
        Seed spots in a step; their neighbours come on top.
    weight_spatial
        Weight of the squared distance to the neighbours' mean.
    missing
        ``drop``: the network sees every seed and every neighbour of the same label once. ``black``: it sees eight
        neighbours of every seed, as published, a black patch where there is none.
    contiguous
        Take the seeds of a step from one compact part of a slide, whose neighbours are largely seeds themselves;
        otherwise at random from all slides, as published.
    """

    batch: int = 32  # he2gene, section 6
    weight_other: float = 100.0  # he2gene, section 6
    weight_spatial: float = 0.01  # he2gene, section 6
    missing: Literal["drop", "black"] = "drop"  # he2gene, section 9.10; published: black
    contiguous: bool = True  # ours; published: False

    def __post_init__(self) -> None:
        """Refuse values that cannot be trained with."""
        He2GeneOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        _check_at_least("weight_spatial", self.weight_spatial, 0)


def side_to_read(options: He2GeneOptions, /) -> int:
    """Give the side of the patch that holds all windows of the average, in pixels."""
    return options.patch_px * 3 // 2 if options.average.startswith("grid") else options.patch_px


def _check_at_least(name: str, value: float, least: float) -> None:
    if value < least:
        raise ConfigError(f"he2gene: option {name!r} must be at least {least}, got {value}.")
