"""Cards: what the platform knows about a plugin before it builds it.

A card is cheap and frozen; `build` does the heavy import. A card has all facts that planning needs, so that listing
and planning never load torch.
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
    """A short piece of a method's work that is timed on a few spots to estimate the time of a job.

    Attributes
    ----------
    options
        Options for little more than that piece.
    less
        Options for the same work without that piece, whose time is subtracted; ``None`` if there is no other work.
    times
        Number of such pieces in the whole work.
    phase
        Whether it is part of ``fit``, or of ``predict`` (after a fit with the same options, which is not timed).
    grows
        True if its time grows with the number of spots.
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
        The method's frozen dataclass of options, with the published defaults. The platform uses two names: ``epochs``,
        which ``--epochs`` sets, and ``patch_px``, the side of the patches (read from 224 pixels of the image) for an
        encoder in training. No option may be called ``weights``: ``--set METHOD.weights=FILE`` evaluates a converted
        checkpoint without training.
    targets
        Kinds of target it can predict.
    encoder
        Its encoder slot; ``None`` if it uses no image, or has its own image network (``patch``).
    patch
        The patch for an image network in training. Set by a method with its own image network, and by a method whose
        encoder needs another field than 224 pixels of the full-resolution image.
    unit
        What one training item is: a spot, a whole slide, or a neighbourhood of spots.
    auxiliary
        What it needs for training in addition to the targets that it predicts.
    optional
        What it also trains with if the dataset has it.
    starts_from
        Options that name a file or folder of weights to start training from; their content is part of a job's identity.
    parameters
        Published configuration, in words → number of parameters.
    probes
        Returns the pieces of its work that ``plan`` times; ``None`` if the time is proportional to ``epochs``.
    control
        True for a baseline, which always runs and gives scores a scale.
    needs_oracle
        True for the control that is given the truth; it runs only on datasets that know it.
    kind_options
        Published options that differ by the kind of target: kind → option → value.
    dataset_options
        Published options that differ by dataset: dataset → option → value.
    convert
        Converts published tensors for this method (`published`); ``None`` if none are published.
    reproductions
        Published numbers and the configurations behind them, for ``histobench reproduce``.
    presets
        Named sets of options; ``quick`` is for a first try. ``quick@full`` adds options for the encoder mode ``full``,
        ``quick@label`` for the prediction of labels.
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
    """A target of a dataset, named ``kind`` or ``kind:variant``.

    Attributes
    ----------
    source
        The dataset's own target that it is read from, if core derives it (`histobench.contracts.tasks`).
    """

    name: str
    kind: Kind
    title: str
    unit: str
    source: str = ""

    @property
    def read_from(self) -> str:
        """Return the target to ask the dataset for."""
        return self.source or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCard(Card):
    """A dataset.

    Attributes
    ----------
    build
        Takes the data root, or ``None``, and returns the dataset.
    targets
        The first of each kind is the default of that kind; the first of all is the default of the dataset.
    schemes
        The first is the default.
    generated
        True if it needs no files.
    default
        True for the dataset that a study uses by default.
    has_oracle
        True if the truth behind the targets is known.
    download
        Downloads missing files into a folder; ``None`` if that is not possible.
    check
        Verifies a folder; returns path → what is wrong.
    drawn_from
        Collections that its slides come from, such as ``TCGA``; an encoder may have been trained on them.
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
