"""The record of a job, as JSON: tables, boards and MLflow are made from records alone.

NaN, an undefined score, is written as ``null``.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from histobench.contracts.cards import MetricCard
from histobench.contracts.encoder_card import Precision
from histobench.contracts.protocols import Mode, PatchGeometry
from histobench.data import Auxiliary, Kind
from histobench.errors import DataError
from histobench.results.scores import MetricScores, Model, Score, SideScore, SideScores

__all__ = [
    "JobSpec",
    "MetricScores",
    "PanelRecord",
    "RunRecord",
    "Score",
    "SideScore",
    "SideScores",
    "job_id",
    "ranking_metric",
    "read_record",
]


class JobSpec(Model):
    """Everything that decides a job's result; its hash is the job's id.

    Attributes
    ----------
    encoder
        Name of the encoder used, with its weights (``resnet18.random``); ``None`` if the method uses no image.
    stands_in_for
        The published encoder that ``encoder`` replaces because its weights were not available.
    patch
        The patch that the encoder is given.
    options
        Every option of the method, as used.
    train, val, test
        Slide ids.
    patients
        Slide → patient, for all of these slides.
    edition
        Fingerprint of the dataset's slides as read.
    contamination
        Collections that the encoder was pretrained on and that contain test slides of this job: its scores may be too
        good. It follows from the cards, and is not part of the job's identity.
    weights
        Identity of the encoder's weights on disk, empty for random ones.
    checkpoint
        Hash of the converted checkpoint that is evaluated; empty for a method that is trained.
    checkpoint_file
        Path of that checkpoint on this machine; not part of the job's identity.
    versions
        ``method``, ``dataset``, ``encoder`` → plugin, its distribution's version and the card's revision; and
        ``histobench`` → the platform's own.
    embed_precision
        Precision in which a frozen encoder computes.
    beside
        Side target that it trains with → the dataset's target that this is read from, and the edition of that.
    judge, judge_weights
        The encoder whose features judge generated patches, and the identity of its weights; empty if nothing is
        generated.
    starts_from
        Option that names the weights at which training starts → hash of these weights.
    oracle
        True for the control that is shown the truth: the ceiling of a board, not a baseline.
    gradient_checkpointing
        True if a trained encoder computes its blocks again in the backward pass, which changes no number.
    device, threads
        Device, as Fabric spells it, and CPU threads of torch and BLAS; they affect only the last bits of sums.
    """

    method: str
    encoder: str | None
    mode: Mode | None
    stands_in_for: str | None = None
    dataset: str
    target: str
    kind: Kind
    scheme: str
    leaks: bool
    fold: str
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    patients: dict[str, str]
    seed: int
    patch: PatchGeometry | None = None
    options: dict[str, Any]  # Any: JSON values
    precision: str
    embed_precision: Precision = "fp32"
    device: str
    threads: int
    edition: str
    contamination: tuple[str, ...] = ()
    gradient_checkpointing: bool = False
    weights: str = ""
    beside: dict[Auxiliary, tuple[str, str]] = Field(default_factory=dict)
    checkpoint: str = ""
    checkpoint_file: str = ""
    judge: str = ""
    judge_weights: str = ""
    starts_from: dict[str, str] = Field(default_factory=dict)
    control: bool = False
    oracle: bool = False
    versions: dict[str, str]

    def beside_sources(self) -> list[tuple[Auxiliary, str]]:
        """List the side targets that it trains with, and the dataset's targets that they are read from."""
        return [(name, source) for name, (source, _) in self.beside.items()]


_DECIDES_NOTHING = {"device", "threads", "checkpoint_file", "contamination", "gradient_checkpointing"}


def job_id(spec: JobSpec) -> str:
    """Hash everything that decides a job's result.

    Device and threads are left out, because they change only the last bits: a job has the same id on every machine, and
    folders of records from several machines can be merged by copying. The record holds them.
    """
    decides = spec.model_dump(mode="json", exclude=_DECIDES_NOTHING)
    # options added later are left out at their defaults, so that earlier ids stay
    if spec.patch is not None and not spec.patch.upsampling:
        del decides["patch"]["upsampling"]
    if spec.embed_precision == "fp32":
        del decides["embed_precision"]
    for part in ("judge", "judge_weights", "starts_from"):
        if not decides[part]:
            del decides[part]
    text = json.dumps(decides, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class PanelRecord(Model):
    """The panel a job predicted: its hash, unit and the slides that it was fitted on."""

    hash: str
    unit: str
    fitted_on: tuple[str, ...] = ()


class RunRecord(Model):
    """A finished or failed job with its provenance.

    Attributes
    ----------
    targets
        (t,) names, the order of every list of scores.
    n_spots
        Test slide → spots predicted.
    seconds
        Phase → wall-clock seconds: ``fit``, ``predict``, ``embed`` …
    peak_memory_mb
        Largest resident memory of the process, and on a GPU the largest allocation, in MiB.
    beside_panels
        The panels of the side targets that it trained with.
    beside
        Scores of its additional outputs.
    passed_over
        Metric → why it could not be computed.
    epochs
        Numbers of every epoch.
    predict_spots_per_second
        Of ``predict`` alone: with the encoder if the method trains it, on cached embeddings if it is frozen.
    determinism
        How exactly a second run repeats the first.
    """

    schema_version: Literal[1] = 1
    job_id: str
    job: JobSpec
    status: Literal["done", "failed"]
    error: str | None = None
    targets: tuple[str, ...] = ()
    n_spots: dict[str, int] = Field(default_factory=dict)
    n_train_spots: int = 0
    panel: PanelRecord | None = None
    beside_panels: dict[str, PanelRecord] = Field(default_factory=dict)
    scores: dict[str, MetricScores] = Field(default_factory=dict)
    beside: dict[str, SideScores] = Field(default_factory=dict)
    passed_over: dict[str, str] = Field(default_factory=dict)
    best_epoch: int | None = None
    epochs: tuple[dict[str, Score], ...] = ()
    seconds: dict[str, float] = Field(default_factory=dict)
    peak_memory_mb: dict[str, float] = Field(default_factory=dict)
    predict_spots_per_second: float | None = None
    warnings: tuple[str, ...] = ()
    determinism: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    git_commit: str | None = None
    machine: dict[str, str] = Field(default_factory=dict)
    started: str
    finished: str

    def lacks(self, metric: MetricCard, /) -> bool:
        """Return whether a metric may still add scores: it has none in its revision, and was not passed over."""
        tables: list[tuple[Kind, Mapping[str, MetricScores | SideScore], dict[str, str]]]
        tables = [(self.job.kind, self.scores, self.passed_over)]
        tables += [(side.kind, side.scores, side.passed_over) for side in self.beside.values()]
        return any(
            kind in metric.kinds
            and metric.name not in passed_over
            and (metric.name not in scores or scores[metric.name].revision != metric.revision)
            for kind, scores, passed_over in tables
        )

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        for name, scores in self.scores.items():
            if set(scores.per_slide) != set(self.n_spots) or not set(scores.per_slide) <= set(self.job.patients):
                raise ValueError(f"{name} was scored on slides that differ from the predicted ones")
            wanted = len(scores.columns or self.targets)
            if any(len(row) != wanted for row in (*scores.per_slide.values(), scores.pooled)):
                raise ValueError(f"{name} does not have one score per {'column' if scores.columns else 'target'}")
        return self


def ranking_metric(records: Iterable[RunRecord]) -> str | None:
    """Return the metric that ranks these jobs: the one marked so on its card, else the first by name."""
    found = {(not scores.ranks, name) for record in records for name, scores in record.scores.items()}
    return min(found)[1] if found else None


def read_record(path: Path) -> RunRecord:
    """Read a record.

    Raises
    ------
    DataError
        If the file is not a whole record of this schema.
    """
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(f"{path} is not a record of a job: {_reason(error)}.") from error


def _reason(error: OSError | ValidationError) -> str:
    if isinstance(error, OSError):
        return str(error)
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
