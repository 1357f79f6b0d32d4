"""The data of the front page: texts, and numbers to sort by."""

from dataclasses import dataclass

from histobench_leaderboard.axis import Span

__all__ = ["BoardView", "Cell", "FailedJob", "IndexPage", "JobLink", "RowView", "Section"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A text, the number it is sorted by (``None`` sorts last), and what it means."""

    text: str
    sort: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLink:
    """A job, named by its fold and seed."""

    id: str
    name: str
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RowView:
    """One row of a table.

    Attributes
    ----------
    role
        ``method``, ``control`` or ``ceiling``.
    under_control
        True if a control is better.
    per_unit
        Patient or slide → score, as text.
    columns
        The other columns of the metric, in the order of the board's columns.
    """

    role: str
    rank: Cell
    rank_range: str
    ties: str
    method: str
    variant: str
    encoder: str
    mode: str
    stands_in_for: str
    contamination: str
    score: Cell
    interval: str
    span: Span | None
    versus: Cell
    versus_interval: str
    versus_name: str
    versus_p: str
    under_control: bool
    undefined: Cell
    pooled: Cell
    seconds: Cell
    memory: str
    coverage: Cell
    incomplete: bool
    failed: bool
    leaks: bool
    per_unit: tuple[tuple[str, str], ...]
    columns: tuple[Cell, ...]
    jobs: tuple[JobLink, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardView:
    """One ranking: a metric on one ground.

    Attributes
    ----------
    cut
        True if an interval is longer than its drawing.
    baseline
        Place of the best control on the axis.
    axis
        Texts at both ends of it.
    title
        What the metric is; empty where it is not installed.
    headline
        The column that is the score; empty where that is the mean of all.
    describes
        True if its order is not a ranking.
    columns
        Column of the metric → its meaning.
    """

    id: str
    metric: str
    title: str
    headline: str
    describes: bool
    columns: tuple[tuple[str, str], ...]
    direction: str
    unit: str
    rows: tuple[RowView, ...]
    warnings: tuple[str, ...]
    cut: bool
    baseline: float | None
    axis: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One ground with a board for each metric, the ranking one first.

    Attributes
    ----------
    apart
        How it differs from other sections of the same dataset, target and scheme.
    told
        The question to the method, where the name of the target does not explain it.
    """

    id: str
    dataset: str
    target: str
    scheme: str
    apart: str
    told: str
    leaks: bool
    facts: tuple[tuple[str, str], ...]
    boards: tuple[BoardView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedJob:
    """A job that failed, and why."""

    id: str
    name: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPage:
    """The front page."""

    sections: tuple[Section, ...]
    failed: tuple[FailedJob, ...]
    left_out: tuple[tuple[str, str], ...]
    n_jobs: int
    latest: str
