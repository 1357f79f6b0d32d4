"""What a ranking looks like: boards, their rows, and how one row compares with another.

The one model behind `histobench results`, the end of a run and the leaderboard.
"""

from dataclasses import dataclass

import numpy as np

from histobench.data import Kind
from histobench.statistics.resampling import FEW_UNITS

__all__ = ["Board", "Comparison", "Ground", "Standing", "rows"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Ground:
    """What jobs must share before they can meet on a board.

    Attributes
    ----------
    edition
        Fingerprint of the dataset's slides as read.
    dataset_revision
        Revision of the dataset's card, raised when a change of its reader can move a score.
    """

    dataset: str
    target: str
    kind: Kind
    scheme: str
    leaks: bool
    edition: str
    dataset_revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One row against another on the units that both were tested on.

    Attributes
    ----------
    other
        Label of the other row.
    difference
        Mean difference in the metric's unit; positive is better, also where a lower score is.
    low, high
        95 % interval, both rows resampled together; NaN with one unit.
    """

    other: str
    difference: float
    low: float
    high: float
    n_units: int

    @property
    def is_clear(self) -> bool:
        """Say if the interval leaves no room for zero, on enough units to mean it."""
        return self.n_units >= FEW_UNITS and (self.low > 0 or self.high < 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One configuration on one board.

    Attributes
    ----------
    variant
        The settings that tell it from other rows of the same method and encoder: ``"epochs=2"``.
    score
        Mean over units; NaN where it is undefined throughout.
    low, high
        95 % interval of the score over units; NaN with one unit.
    unit
        ``patients``, or ``slides`` where there is one patient.
    per_unit
        Unit → score.
    undefined, total
        Scores per slide and target that are undefined, of all.
    pooled
        Mean over targets and folds of the score over all spots of a fold's test slides together.
    skill
        One comparison a control.
    best_control
        The comparison with the control that is hardest to beat.
    beats_controls
        True if it is better than every control; ``None`` for controls, and where no control has a score.
    rank, rank_range
        Among the methods tested on every slide of the board: its place, and the places that cannot be excluded.
        ``None`` for controls and for rows that are not complete.
    seconds
        Mean wall seconds of a job.
    peak_memory_mb
        Largest over its jobs, MiB, by kind of memory.
    """

    method: str
    encoder: str | None
    mode: str | None
    stands_in_for: str | None
    variant: str = ""
    control: bool
    oracle: bool
    leaks: bool
    score: float
    low: float
    high: float
    unit: str
    per_unit: dict[str, float]
    undefined: int
    total: int
    pooled: float
    skill: tuple[Comparison, ...] = ()
    rank: int | None = None
    rank_range: tuple[int, int] | None = None
    folds_done: tuple[str, ...]
    folds_failed: tuple[str, ...]
    n_seeds: int
    seconds: float
    peak_memory_mb: dict[str, float]
    job_ids: tuple[str, ...]
    failed_job_ids: tuple[str, ...]

    @property
    def label(self) -> str:
        """Name the row for people: ``ridge · resnet18.random (frozen)``."""
        encoder = f" · {self.encoder} ({self.mode})" if self.encoder else ""
        return f"{self.method}{encoder}" + (f" [{self.variant}]" if self.variant else "")

    @property
    def n_units(self) -> int:
        """Count the units that have a score."""
        return int(np.isfinite(list(self.per_unit.values())).sum())

    @property
    def best_control(self) -> Comparison | None:
        """Give the comparison with the control that is hardest to beat."""
        return min(self.skill, key=lambda comparison: comparison.difference, default=None)

    @property
    def beats_controls(self) -> bool | None:
        """Say if it is better than every control that has a score."""
        best = self.best_control
        return None if best is None else best.difference > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Rows that may be compared with each other, the best first, undefined ones last.

    Attributes
    ----------
    ranks
        True if this is the metric that methods are ranked by.
    panel
        Hash of the panel, or ``"fitted per fold"``.
    panel_unit
        Unit of the targets' values.
    folds
        Every fold that a row of the board was tried on.
    slides
        Every slide that a row of the board was tested on → its patient.
    unscored
        Jobs that are done but have no score under this metric.
    """

    ground: Ground
    metric: str
    ranks: bool
    higher_is_better: bool
    panel: str
    panel_unit: str
    unit: str
    folds: tuple[str, ...]
    slides: dict[str, str]
    n_targets: tuple[int, ...]
    rows: tuple[Standing, ...]
    unscored: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def rows(board: Board) -> list[dict[str, str | int | float | bool | None]]:
    """Flatten a board for JSON and CSV, a dict a row; undefined numbers are ``None``."""
    return [_flat(board, row) for row in board.rows]


def _flat(board: Board, row: Standing) -> dict[str, str | int | float | bool | None]:
    return {
        "dataset": board.ground.dataset,
        "target": board.ground.target,
        "scheme": board.ground.scheme,
        "edition": board.ground.edition,
        "panel": board.panel,
        "metric": board.metric,
        "rank": row.rank,
        "rank_best": row.rank_range[0] if row.rank_range else None,
        "rank_worst": row.rank_range[1] if row.rank_range else None,
        "method": row.method,
        "encoder": row.encoder,
        "mode": row.mode,
        "stands_in_for": row.stands_in_for,
        "variant": row.variant,
        "control": row.control,
        "oracle": row.oracle,
        "score": _number(row.score),
        "low": _number(row.low),
        "high": _number(row.high),
        "unit": row.unit,
        "n_units": row.n_units,
        "undefined": row.undefined,
        "total": row.total,
        "pooled": _number(row.pooled),
        **_versus(row),
        "folds_done": " ".join(row.folds_done),
        "folds_failed": " ".join(row.folds_failed),
        "seeds": row.n_seeds,
        "seconds": _number(row.seconds),
        "peak_memory_mb": max(row.peak_memory_mb.values(), default=None),
        "leaks": row.leaks,
        "jobs": " ".join(row.job_ids),
        "failed_jobs": " ".join(row.failed_job_ids),
    }


def _versus(row: Standing) -> dict[str, str | int | float | bool | None]:
    best = row.best_control
    return {
        "best_control": best.other if best else None,
        "difference": best.difference if best else None,
        "difference_low": _number(best.low) if best else None,
        "difference_high": _number(best.high) if best else None,
        "beats_controls": row.beats_controls,
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
