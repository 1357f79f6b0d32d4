"""Cards: what the platform knows of a plugin before it builds it.

A card is cheap and frozen; `build` does the heavy import. Facts that planning needs stand on the card, so that
listing and planning never load torch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from histobench.card import Card, MetricCard, Provenance
from histobench.contracts import Dataset, Encoder, Method, Mode, Options, PatchGeometry
from histobench.data import Auxiliary, Kind, Lattice
from histobench.published import Converted, ConvertRequest, Reproduction
from histobench.splits import Scheme, leave_one_patient_out

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Card",
    "DatasetCard",
    "EncoderCard",
    "EncoderSlot",
    "MethodCard",
    "MetricCard",
    "Provenance",
    "TargetFact",
    "Weights",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Where an encoder's weights come from.

    Attributes
    ----------
    hub_id
        Repository on the Hugging Face hub.
    files
        File names to look for, the preferred first.
    gated
        True if the hub asks for an account and consent.
    """

    hub_id: str
    files: tuple[str, ...] = ("model.safetensors", "pytorch_model.bin")
    gated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderCard(Card):
    """An image encoder.

    Attributes
    ----------
    dim
        Width of the embedding; ``None`` if known only once built.
    geometry
        The patch it wants.
    weights
        What must be had before it can be built; ``None`` for an encoder that needs none.
    find_weights
        Says where the weights lie on this machine, fetching them if they may be had; raises ``WeightsError``.
    trainable
        True if `build` returns a ``TrainableEncoder``.
    expand
        For a family such as ``timm:<name>``: makes the card of one member from what follows the colon.
    build
        Takes the geometry to use, or ``None`` for the encoder's own.
    """

    build: Callable[[PatchGeometry | None], Encoder]
    dim: int | None = None
    params: int | None = None
    geometry: PatchGeometry = field(default_factory=PatchGeometry)
    weights: Weights | None = None
    find_weights: Callable[[], Path] | None = None
    trainable: bool = False
    lora: bool = False
    expand: "Callable[[str], EncoderCard] | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSlot:
    """A method's place for an encoder.

    Attributes
    ----------
    default
        The published encoder.
    default_mode
        How the publication trains it.
    modes
        Modes that the method can take.
    scratch
        Encoder used, and named in every result, when the published one's weights are not to be had.
    scratch_mode
        How that one is trained.
    fixed
        True if the method cannot take another encoder.
    """

    default: str
    default_mode: Mode
    modes: tuple[Mode, ...]
    scratch: str | None = None
    scratch_mode: Mode = "full"
    fixed: bool = False


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
    parameters
        Published configuration, in words → number of parameters.
    control
        True for a baseline that always runs and gives scores their scale.
    needs_oracle
        True for the control that is shown the truth; only datasets that know it can serve it.
    kind_options
        Published options that differ by the kind of target: kind → option → value.
    dataset_options
        Published options that differ by dataset: dataset → option → value.
    mode_options
        Published options that differ by the encoder's mode: mode → dataset (``""`` for all) → option → value.
    convert
        Turns a publisher's tensors into this method's (`histobench.published`); ``None`` where nothing is published.
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
    parameters: Mapping[str, int] = field(default_factory=dict)
    control: bool = False
    needs_oracle: bool = False
    kind_options: Mapping[Kind, Mapping[str, Any]] = field(default_factory=dict)
    dataset_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    mode_options: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    convert: "Callable[[Mapping[str, Tensor], ConvertRequest], Converted] | None" = None
    reproductions: tuple[Reproduction, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFact:
    """One thing a dataset can be asked to predict; ``kind`` or ``kind:variant`` is its name."""

    name: str
    kind: Kind
    title: str
    unit: str


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
