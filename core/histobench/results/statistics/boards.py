"""The data model of rankings: boards, their rows, and comparisons of rows.

`histobench results`, the summary of a run and the leaderboard show these.
"""

from dataclasses import dataclass, field
from math import inf, nan

import numpy as np

from histobench.data import Kind

__all__ = ["ALPHA", "Board", "Comparison", "Ground", "Standing"]

ALPHA = 0.05
"""Adjusted p up to which two rows differ significantly: the probability of any false claim on a board."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Ground:
    """What jobs must have in common to be on one board.

    Attributes
    ----------
    edition
        Fingerprint of the dataset's slides as read.
    dataset_revision
        Revision of the dataset's card, raised when a change of its reader can change a score.
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
    """A comparison of two rows on the units that both were tested on.

    Attributes
    ----------
    one, other
        Labels of the rows.
    difference
        Mean difference in the metric's unit; positive if `one` is better, also if lower scores are better.
    low, high
        95 % interval, both rows resampled together; NaN with one unit.
    p
        p of the two-sided sign-flip test on the units' differences; NaN with one unit.
    p_holm
        The same, adjusted by Holm's method for all comparisons of the board.
    wilcoxon
        Unadjusted p of Wilcoxon's signed-rank test.
    cohens_d
        Mean difference in standard deviations of the units' differences; NaN if these do not vary.
    rank_biserial
        Signed ranks in favour of `one` minus those against, divided by all; NaN if all differences are zero.
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
        """Return whether the two differ significantly after correction, which takes at least six units."""
        return self.p_holm <= ALPHA


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One configuration on one board.

    Attributes
    ----------
    variant
        The settings in which it differs from other rows of the same method and encoder: ``"epochs=2"``.
    score
        Mean over units; NaN if all are undefined.
    low, high
        95 % interval of the score over units; NaN with one unit.
    unit
        ``patients``, or ``slides`` if there is one patient.
    per_unit
        Unit → score.
    undefined, total
        Number of undefined scores per slide and target, and of all of them.
    columns
        Column of the metric → its mean over units, if the metric has several named columns; else empty.
    pooled
        Mean over targets and folds of the score over all spots of a fold's test slides together.
    skill
        One comparison per control.
    normalised_skill
        Position between the best control (0) and the ceiling (1) on its own units; NaN for controls, and if either is
        not known.
    best_control
        The comparison with the strongest control.
    beats_controls
        True if it is better than every control; ``None`` for controls, and if no control has a score.
    rank, rank_range
        Rank among the methods tested on every slide of the board, and its 95 % interval when units are resampled.
        ``None`` for controls and for incomplete rows.
    ties
        Letters of its tie groups: two ranked rows share a letter if and only if they do not differ significantly.
    versus_leader
        Comparison with the first of the ranked rows; ``None`` for itself and for rows without a rank.
    contamination
        Collections that its encoder was pretrained on and that contain tested slides.
    seconds
        Mean wall-clock seconds of a job.
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
        """Return the displayed name: ``ridge · resnet18.random (frozen)``."""
        encoder = f" · {self.encoder} ({self.role})" if self.encoder else ""
        return f"{self.method}{encoder}" + (f" [{self.variant}]" if self.variant else "")

    @property
    def role(self) -> str:
        """Describe how the encoder is used, which one it replaces, and which tested collections it has seen."""
        saw = f"saw {' and '.join(self.contamination)}" if self.contamination else ""
        return ", ".join(filter(None, [self.mode, self.stands_in_for and f"for {self.stands_in_for}", saw]))

    @property
    def n_units(self) -> int:
        """Count the units that have a score."""
        return int(np.isfinite(list(self.per_unit.values())).sum())

    @property
    def best_control(self) -> Comparison | None:
        """Return the comparison with the strongest control."""
        return min(self.skill, key=lambda comparison: comparison.difference, default=None)

    @property
    def beats_controls(self) -> bool | None:
        """Return whether it is better than every control that has a score."""
        best = self.best_control
        return None if best is None else best.difference > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Comparable rows, the best first, undefined ones last.

    Attributes
    ----------
    ranks
        True if this is the metric that methods are ranked by.
    panel
        Hash of the panel, or ``"fitted per fold"``.
    panel_unit
        Unit of the targets' values.
    folds
        Every fold that a row of the board was run on.
    slides
        Every slide that a row of the board was tested on → its patient.
    n_spots
        The same slides → the number of predicted spots.
    judge
        The encoder whose features judge generated patches; empty if nothing is generated.
    apart
        What distinguishes it from other boards of the same dataset, target, scheme and metric; empty without any.
    headline
        The column that is its score; empty if that is the mean of all.
    describes
        True if a good score is possible without knowing the spots: the metric only describes, and does not rank.
    lowest, highest
        The bounds of the metric; infinite without one.
    ceiling, ceiling_name
        The best possible score: the oracle's, else the metric's bound, which may not be reachable with these data; NaN
        without either.
    pairs
        Comparisons of every two ranked rows, the better first, those of the best rows first.
    unscored
        Finished jobs that have no score under this metric yet.
    passed_over
        Jobs that cannot have a score under it → why.
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
        """Return a name that is unique among the boards of a study."""
        ground = self.ground
        return " | ".join(filter(None, [ground.dataset, ground.target, ground.scheme, self.apart]))
