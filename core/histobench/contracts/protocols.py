"""What a plugin promises; keep the promise, inherit nothing.

A card's ``build`` returns one of these. `histobench.testing` proves that it keeps its promise.
"""

from __future__ import annotations  # so that cards are listed without loading numpy

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from torch import nn

    from histobench.data import (
        Float,
        Generated,
        LabelledSamples,
        Pairing,
        Prediction,
        Samples,
        ScoreContext,
        Slide,
        SpotTable,
        UInt8,
    )

__all__ = [
    "ContextMetric",
    "Dataset",
    "Encoder",
    "Executor",
    "FitContext",
    "Method",
    "Metric",
    "Mode",
    "PatchGeometry",
    "Report",
    "SlideImage",
    "TrainableEncoder",
]

Mode: TypeAlias = Literal["frozen", "lora", "full"]
"""What of an encoder is trained: nothing (embeddings are cached), low-rank adapters, or everything."""

Report: TypeAlias = Callable[[int, Mapping[str, float]], None]
"""Takes an epoch, from 0, and its named numbers; ``val_score`` tells which epoch was the best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchGeometry:
    """The square a model looks at around a spot.

    Attributes
    ----------
    patch_px
        Side of the patch handed to the model, in pixels.
    mpp
        Microns per pixel of that patch; ``None`` takes ``field_px`` pixels of the full-resolution image as they are.
    field_px
        Side of the square read from the image when ``mpp`` is ``None``, resized to ``patch_px`` if they differ;
        224 pixels, as every published abundance method reads.
    upsampling
        True if a frozen encoder may be given an image coarser than its ``mpp``, enlarged (``--allow-upsampling``).
    """

    patch_px: int = 224
    mpp: float | None = None
    field_px: int = 224
    upsampling: bool = False


class SlideImage(Protocol):
    """The H&E image of one slide, decoded when read."""

    def content_hash(self) -> str:
        """Hash what the image holds; the same pixels in the same file give the same hash."""
        ...

    def read(self) -> UInt8:
        """Decode the whole image as (h, w, 3) uint8 RGB.

        Raises
        ------
        DataError
            If the file is missing, truncated or not an image.
        """
        ...


class Dataset(Protocol):
    """Slides with spots, targets and images, read as their publisher ships them."""

    def slides(self, target: str) -> Sequence[Slide]:
        """List the slides whose files for this target are all here, in a fixed order; nothing large is read yet."""
        ...

    def left_out(self, target: str) -> Mapping[str, str]:
        """Give the reason for every slide of the publication that is not in `slides`: slide id → why."""
        ...

    def table(self, slide: Slide, target: str) -> SpotTable:
        """Read one slide's spots with one of the card's targets.

        Raises
        ------
        DataError
            If a file of this slide is damaged or is not what it claims to be.
        """
        ...

    def notes(self, slide: Slide, target: str) -> Sequence[str]:
        """Say, a sentence each, what of this slide was dropped on reading; empty if nothing was."""
        ...

    def image(self, slide: Slide) -> SlideImage:
        """Open the slide's image without decoding it.

        Raises
        ------
        DataError
            If what can be seen without decoding is wrong: no image, truncated, too small for the slide's spots.
        """
        ...

    def fingerprint(self, slide: Slide, target: str) -> str:
        """Hash the content of the files that this slide and target are read from."""
        ...


class Encoder(Protocol):
    """Turns patches into vectors."""

    @property
    def dim(self) -> int:
        """Width d of the embedding."""
        ...

    @property
    def geometry(self) -> PatchGeometry:
        """The patch it wants to be given."""
        ...

    @property
    def identity(self) -> str:
        """Hash of everything that decides an embedding: weights, pooling, normalisation, dtype."""
        ...

    def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:
        """Embed (n, h, w, 3) uint8 RGB patches as (n, d) float32, each independently of the others."""
        ...


class TrainableEncoder(Encoder, Protocol):
    """An encoder that a method may train."""

    def module(self) -> nn.Module:
        """Make a fresh module from (n, h, w, 3) uint8 to (n, d) float32, normalisation included.

        Random weights are drawn from torch's generator at the time of the call; pretrained ones are loaded.
        """
        ...

    def lora_targets(self, last_blocks: int) -> Sequence[str]:
        """Name the linear layers of the last blocks, as ``named_modules`` of `module` spells them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FitContext:
    """What a method gets beside the data.

    Attributes
    ----------
    seed
        The only source of randomness.
    device, precision
        As Lightning Fabric spells them: ``cpu``, ``cuda:0``; ``32-true``, ``bf16-mixed``.
    mode
        What of the encoder is trained.
    encoder
        The encoder to train (modes ``lora`` and ``full``); ``None`` when the samples carry embeddings.
    resume
        Folder for checkpoints from which a killed fit goes on; ``None`` to keep none.
    report
        Receives the numbers of every epoch.
    gradient_checkpointing
        True to compute the encoder's blocks again in the backward pass: less memory, more time, the same numbers.
    """

    seed: int
    device: str = "cpu"
    precision: str = "32-true"
    mode: Mode = "frozen"
    encoder: TrainableEncoder | None = None
    resume: Path | None = None
    report: Report = field(default=lambda _epoch, _numbers: None)
    gradient_checkpointing: bool = False


class Method(Protocol):
    """Learns from labelled samples and predicts from samples."""

    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        """Learn; select on ``val`` if there is one, else keep the last epoch."""
        ...

    def predict(self, samples: Samples) -> Prediction | Pairing | Generated:
        """Answer for every spot: a ``Prediction``, (n_spots, n_targets), names as in training.

        Where the task is to ``retrieve`` it is a ``Pairing``, where it is to ``generate`` the ``Generated`` patches. To
        retrieve it is asked twice, once with the counts of other spots and once with their images and positions.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write all that `predict` needs; no pickles."""
        ...

    def load(self, folder: Path, context: FitContext) -> None:
        """Read what `save` wrote, so that `predict` gives the same values again."""
        ...


class Metric(Protocol):
    """A pure function from prediction and observation to one score per target, or per column of its card."""

    def __call__(self, predicted: Float, observed: Float, /) -> Float:
        """Score (n, t) against (n, t): (t,) or (columns,) float64, NaN where the score is undefined."""
        ...


class ContextMetric(Protocol):
    """A metric whose card has ``needs``."""

    def __call__(self, predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
        """Score (n, t) against (n, t): (t,) or (columns,) float64, NaN where the score is undefined."""
        ...


JobT = TypeVar("JobT")
OutcomeT = TypeVar("OutcomeT")


class Executor(Protocol):
    """Runs jobs somewhere and yields an outcome for each as it ends, in any order."""

    def run(
        self, jobs: Iterable[JobT], work: Callable[[JobT], OutcomeT], died: Callable[[JobT, str], OutcomeT]
    ) -> Iterator[OutcomeT]:
        """Do the work; where a worker dies under a job, ``died`` turns job and cause into its outcome."""
        ...


Options: TypeAlias = Any  # Any: each method has its own frozen dataclass, which core cannot name
