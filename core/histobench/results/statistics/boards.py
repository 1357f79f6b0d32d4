"""What a ranking looks like: boards, their rows, and how one row compares with another.

The one model behind `histobench results`, the end of a run and the leaderboard.
"""

from dataclasses import dataclass, field
from math import inf, nan

import numpy as np

from histobench.data import Kind

__all__ = ["ALPHA", "Board", "Comparison", "Ground", "Standing"]

ALPHA = 0.05
"""Adjusted p up to which two rows are told apart: the chance of any false claim on a board."""


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
    one, other
        Labels of the rows.
    difference
        Mean difference in the metric's unit; positive is better for `one`, also where a lower score is.
    low, high
        95 % interval, both rows resampled together; NaN with one unit.
    p
        Of the two-sided sign-flip test on the units' differences; NaN with one unit.
    p_holm
        The same, adjusted by Holm's method for every comparison of the board.
    wilcoxon
        Unadjusted p of Wilcoxon's signed-rank test.
    cohens_d
        Mean difference in standard deviations of the units' differences; NaN where these do not vary.
    rank_biserial
        Signed ranks in favour of `one` less those against, of all; NaN where there is no difference at all.
    """

    one: str
    other: str
    difference: float
    low: float
    high: float
    n_units: int
    p: float = nan
    p_holm: float = nan
    wilcoxon: float = nan
    cohens_d: float = nan
    rank_biserial: float = nan

    @property
    def is_clear(self) -> bool:
        """Say if the two are told apart after correction, which takes six units at least."""
        return self.p_holm <= ALPHA


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
    columns
        Column of the metric → its mean over units, where the metric has several and says which; else empty.
    pooled
        Mean over targets and folds of the score over all spots of a fold's test slides together.
    skill
        One comparison a control.
    normalised_skill
        Where it stands between the best control, 0, and the ceiling, 1, on its own units; NaN for controls, and where
        either is not known.
    best_control
        The comparison with the control that is hardest to beat.
    beats_controls
        True if it is better than every control; ``None`` for controls, and where no control has a score.
    rank, rank_range
        Among the methods tested on every slide of the board: its place, and the places that cannot be excluded at
        95 % when units are drawn anew. ``None`` for controls and for rows that are not complete.
    ties
        Letters of its tie groups: ranked rows that share one are not told apart, and those that share none are.
    versus_leader
        Against the first of the ranked rows; ``None`` for itself and for rows without a rank.
    contamination
        Collections that its encoder was pretrained on and that tested slides are part of.
    seconds
        Mean wall seconds of a job.
    peak_memory_mb
        Largest over its jobs, MiB, by kind of memory.
    """

    method: str
    encoder: str | None
    mode: str | None
    stands_in_for: str | None
    contamination: tuple[str, ...] = ()
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
    columns: dict[str, float] = field(default_factory=dict)
    skill: tuple[Comparison, ...] = ()
    normalised_skill: float = nan
    rank: int | None = None
    rank_range: tuple[int, int] | None = None
    ties: str = ""
    versus_leader: Comparison | None = None
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
        encoder = f" · {self.encoder} ({self.role})" if self.encoder else ""
        return f"{self.method}{encoder}" + (f" [{self.variant}]" if self.variant else "")

    @property
    def role(self) -> str:
        """Say how the encoder is used, what it stands in for, and what it has seen."""
        saw = f"saw {' and '.join(self.contamination)}" if self.contamination else ""
        return ", ".join(filter(None, [self.mode, self.stands_in_for and f"for {self.stands_in_for}", saw]))

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
    n_spots
        The same slides → the spots that were predicted.
    judge
        The encoder whose features judge generated patches; empty where nothing is generated.
    apart
        What tells it from other boards of the same dataset, target, scheme and metric; empty where there is none.
    headline
        The column that is its score; empty where that is the mean of all.
    describes
        True if its metric can be had without knowing the spots: it describes, and its order is no ranking.
    lowest, highest
        What a score can be at all; infinite where there is no bound.
    ceiling, ceiling_name
        The score that cannot be passed: the oracle's, else the metric's bound, which the data may not let anybody
        reach; NaN where there is neither.
    pairs
        Every two ranked rows, the better first, the best rows' first.
    unscored
        Jobs that are done but have no score under this metric, though it may be computed.
    passed_over
        Jobs that can have no score under it → why.
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
    n_spots: dict[str, int] = field(default_factory=dict)
    judge: str = ""
    apart: str = ""
    headline: str = ""
    describes: bool = False
    lowest: float = -inf
    highest: float = inf
    ceiling: float = nan
    ceiling_name: str = ""
    pairs: tuple[Comparison, ...] = ()
    unscored: tuple[str, ...] = ()
    passed_over: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Name it so that no other board of a study has the name."""
        ground = self.ground
        return " | ".join(filter(None, [ground.dataset, ground.target, ground.scheme, self.apart]))
