"""Cards: what the platform knows of a plugin before it builds it.

A card is cheap and frozen; `build` does the heavy import. Facts that planning needs stand on the card, so that
listing and planning never load torch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from histobench.contracts.card import Card, MetricCard, Provenance
from histobench.contracts.encoder_card import EncoderCard, EncoderSlot, Precision, Transform, Weights
from histobench.contracts.protocols import Dataset, Method, Options, PatchGeometry
from histobench.contracts.published import Converted, ConvertRequest, Reproduction
from histobench.data.kinds import Auxiliary, Kind, Lattice
from histobench.data.splits import Scheme, leave_one_patient_out

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Card",
    "DatasetCard",
    "EncoderCard",
    "EncoderSlot",
    "MethodCard",
    "MetricCard",
    "Precision",
    "Probe",
    "Provenance",
    "TargetFact",
    "Transform",
    "Weights",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A short piece of a method's work, timed on a few spots before a study to say how long the whole may take.

    Attributes
    ----------
    options
        With which that piece is done, and not much more.
    less
        With which the same is done without that piece: its time is taken off. ``None`` where the piece is all.
    times
        How many such pieces the whole work has.
    phase
        Where it is done: in ``fit``, or in ``predict`` (after a fit with the same options, which is not counted).
    grows
        True if more spots make the piece longer.
    """

    options: Options
    less: Options | None = None
    times: float
    phase: Literal["fit", "predict"] = "fit"
    grows: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodCard(Card):
    """A method.

    Attributes
    ----------
    build
        Takes the options and returns the method.
    options
        The method's frozen dataclass of options, its defaults the published ones. Two names have a meaning to the
        platform: ``epochs`` is what ``--epochs`` sets, and ``patch_px`` the side of the patches, read from 224 pixels
        of the image, that an encoder in training is given. No option may be called ``weights``:
        ``--set METHOD.weights=FILE`` evaluates a converted checkpoint without training.
    targets
        Kinds of target it can predict.
    encoder
        Its encoder slot; ``None`` if it looks at no image, or has an image network of its own (``patch``).
    patch
        The patch that it is given where it trains what looks at it: by a method with an image network of its own, and
        by one that wants another field for its encoder than 224 pixels of the full-resolution image.
    unit
        What one training item is: a spot, a whole slide, or a neighbourhood of spots.
    auxiliary
        What it must have to train with beside the targets that it predicts.
    optional
        What it trains with beside them where the dataset has it.
    starts_from
        Options that name a file or folder of weights which training starts from: a job's identity holds their content.
    parameters
        Published configuration, in words → number of parameters.
    probes
        Gives the pieces of its work by which ``plan`` estimates it; ``None`` where ``epochs`` counts nearly all of it.
    control
        True for a baseline that always runs and gives scores their scale.
    needs_oracle
        True for the control that is shown the truth; only datasets that know it can serve it.
    kind_options
        Published options that differ by the kind of target: kind → option → value.
    dataset_options
        Published options that differ by dataset: dataset → option → value.
    convert
        Turns a publisher's tensors into this method's (`published`); ``None`` where nothing is published.
    reproductions
        Published numbers and the configurations behind them, for ``histobench reproduce``.
    presets
        Named sets of options; ``quick`` is for trying out. ``quick@full`` adds to it where the encoder's mode is
        ``full``, ``quick@label`` where labels are predicted.
    """

    build: Callable[[Options], Method]
    options: type
    targets: tuple[Kind, ...]
    encoder: EncoderSlot | None = None
    unit: Literal["spot", "slide", "neighbourhood"] = "spot"
    patch: Callable[[Options], PatchGeometry] | None = None
    auxiliary: tuple[Auxiliary, ...] = ()
    optional: tuple[Auxiliary, ...] = ()
    starts_from: tuple[str, ...] = ()
    probes: Callable[[Options], tuple[Probe, ...]] | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)
    control: bool = False
    needs_oracle: bool = False
    kind_options: Mapping[Kind, Mapping[str, Any]] = field(default_factory=dict)
    dataset_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    convert: "Callable[[Mapping[str, Tensor], ConvertRequest], Converted] | None" = None
    reproductions: tuple[Reproduction, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFact:
    """One thing a dataset can be asked to predict; ``kind`` or ``kind:variant`` is its name.

    Attributes
    ----------
    source
        The dataset's own target that it is read from, where core derives it (`histobench.contracts.tasks`).
    """

    name: str
    kind: Kind
    title: str
    unit: str
    source: str = ""

    @property
    def read_from(self) -> str:
        """Name the target to ask the dataset for."""
        return self.source or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCard(Card):
    """A dataset.

    Attributes
    ----------
    build
        Takes the data root, or ``None``, and returns the dataset.
    targets
        The first of each kind is that kind's default; the first of all is the dataset's.
    schemes
        The first is the default.
    generated
        True if it needs no files.
    default
        True for the dataset of a study that names none.
    has_oracle
        True if the truth behind the targets is known.
    download
        Fetches missing files into a folder; ``None`` where that is not possible.
    check
        Verifies a folder: path → what is wrong with it.
    drawn_from
        Collections that its slides were taken from, such as ``TCGA``: an encoder may have seen them.
    """

    build: Callable[[Path | None], Dataset]
    targets: tuple[TargetFact, ...]
    schemes: tuple[Scheme, ...] = (leave_one_patient_out,)
    organ: str = ""
    platform: str = ""
    lattice: Lattice = "square"
    n_slides: int | None = None
    n_patients: int | None = None
    generated: bool = False
    default: bool = False
    has_oracle: bool = False
    download: "Callable[[Path | None], None] | None" = None
    check: "Callable[[Path | None], Mapping[str, str]] | None" = None
    drawn_from: tuple[str, ...] = ()
