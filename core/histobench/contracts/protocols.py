"""The protocols of plugins: what the objects that a card's ``build`` returns must do; nothing needs to be inherited.

`histobench.testing` checks them.
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
"""Which part of an encoder is trained: none (embeddings are cached), low-rank adapters, or all."""

Report: TypeAlias = Callable[[int, Mapping[str, float]], None]
"""Receives an epoch, from 0, and its named numbers; ``val_score`` decides which epoch is the best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchGeometry:
    """The square around a spot that a model receives.

    Attributes
    ----------
    patch_px
        Side of the patch for the model, in pixels.
    mpp
        Microns per pixel of that patch; ``None`` for the scale of the full-resolution image.
    field_px
        Side of the square that is read from the image when ``mpp`` is ``None``, resized to ``patch_px`` if they differ;
        224 pixels, as in every published abundance method.
    upsampling
        True if an image that is coarser than ``mpp`` may be enlarged for a frozen encoder (``--allow-upsampling``).
    """

    patch_px: int = 224
    mpp: float | None = None
    field_px: int = 224
    upsampling: bool = False


class SlideImage(Protocol):
    """The H&E image of one slide, decoded when it is read."""

    def content_hash(self) -> str:
        """Return a hash of the content; the same pixels in the same file have the same hash."""
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
    """Slides with spots, targets and images, read from the files of their publisher."""

    def slides(self, target: str) -> Sequence[Slide]:
        """Return the slides with all files for this target, in a fixed order, without reading large files."""
        ...

    def left_out(self, target: str) -> Mapping[str, str]:
        """Return slide id → reason for every slide of the publication that is not in `slides`."""
        ...

    def table(self, slide: Slide, target: str) -> SpotTable:
        """Read the spots of a slide with one of the card's targets.

        Raises
        ------
        DataError
            If a file of this slide is damaged or has the wrong content.
        """
        ...

    def notes(self, slide: Slide, target: str) -> Sequence[str]:
        """Return what was dropped when this slide was read, one sentence each; empty if nothing was."""
        ...

    def image(self, slide: Slide) -> SlideImage:
        """Open the slide's image without decoding it.

        Raises
        ------
        DataError
            If an error is visible without decoding: not an image, truncated, too small for the slide's spots.
        """
        ...

    def fingerprint(self, slide: Slide, target: str) -> str:
        """Return a hash of the files that this slide and target are read from."""
        ...


class Encoder(Protocol):
    """Turns patches into vectors."""

    @property
    def dim(self) -> int:
        """Width d of the embedding."""
        ...

    @property
    def geometry(self) -> PatchGeometry:
        """The patch that it needs."""
        ...

    @property
    def identity(self) -> str:
        """Hash of everything that affects an embedding: weights, pooling, normalisation, dtype."""
        ...

    def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:
        """Embed (n, h, w, 3) uint8 RGB patches as (n, d) float32, each independently of the others."""
        ...


class TrainableEncoder(Encoder, Protocol):
    """An encoder that a method may train."""

    def module(self) -> nn.Module:
        """Return a new module from (n, h, w, 3) uint8 to (n, d) float32, including normalisation.

        Random weights are drawn from torch's generator during the call; pretrained ones are loaded.
        """
        ...

    def lora_targets(self, last_blocks: int) -> Sequence[str]:
        """Return the names of the linear layers of the last blocks, as in ``named_modules`` of `module`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FitContext:
    """What a method receives in addition to the data.

    Attributes
    ----------
    seed
        The only source of randomness.
    device, precision
        In the notation of Lightning Fabric: ``cpu``, ``cuda:0``; ``32-true``, ``bf16-mixed``.
    mode
        Which part of the encoder is trained.
    encoder
        The encoder to train (modes ``lora`` and ``full``); ``None`` if the samples have embeddings.
    resume
        Folder for checkpoints, from which an interrupted fit resumes; ``None`` to keep none.
    report
        Receives the numbers of every epoch.
    gradient_checkpointing
        True to recompute the encoder's blocks in the backward pass: less memory, more time, the same numbers.
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
        """Train; select the epoch on ``val`` if it is given, otherwise keep the last one."""
        ...

    def predict(self, samples: Samples) -> Prediction | Pairing | Generated:
        """Return a ``Prediction``, (n_spots, n_targets), for every spot, with the names of training.

        For the task ``retrieve`` return a ``Pairing``, for ``generate`` the ``Generated`` patches. For ``retrieve``
        it is called twice, once with the counts of other spots and once with their images and positions.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write everything that `predict` needs; no pickles."""
        ...

    def load(self, folder: Path, context: FitContext) -> None:
        """Read the files of `save`, so that `predict` returns the same values again."""
        ...


class Metric(Protocol):
    """A pure function from prediction and observation to one score per target or per column of its card."""

    def __call__(self, predicted: Float, observed: Float, /) -> Float:
        """Score (n, t) against (n, t): (t,) or (columns,) float64, NaN if the score is undefined."""
        ...


class ContextMetric(Protocol):
    """A metric whose card has ``needs``."""

    def __call__(self, predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
        """Score (n, t) against (n, t): (t,) or (columns,) float64, NaN if the score is undefined."""
        ...


JobT = TypeVar("JobT")
OutcomeT = TypeVar("OutcomeT")


class Executor(Protocol):
    """Runs jobs and yields an outcome for each as it ends, in any order."""

    def run(
        self, jobs: Iterable[JobT], work: Callable[[JobT], OutcomeT], died: Callable[[JobT, str], OutcomeT]
    ) -> Iterator[OutcomeT]:
        """Do the work; if a worker dies during a job, ``died`` returns its outcome from the job and the cause."""
        ...


Options: TypeAlias = Any  # Any: each method has its own frozen dataclass, which core cannot name
