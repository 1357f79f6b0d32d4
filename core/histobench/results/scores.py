"""The scores in a record.

NaN, an undefined score, is written to JSON as ``null``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from histobench.contracts.cards import MetricCard
from histobench.data import Float, Kind

__all__ = ["MetricScores", "Model", "Score", "SideScore", "SideScores"]


def _nan_to_none(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Score = Annotated[float | None, BeforeValidator(_nan_to_none)]
"""A score; ``None`` if it is undefined."""


class Model(BaseModel):
    """A part of a record: frozen, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MetricScores(Model):
    """One metric on one job.

    Attributes
    ----------
    per_slide
        Test slide → one score per target, or per column: the basis of rankings. Undefined if the metric only pools.
    pooled
        The same over the spots of all test slides together; never shown alone. Undefined if the metric never pools.
    columns
        Names of the scores if they are not one per target.
    headline
        The column that is the metric's score; if empty, the mean of all columns is.
    higher_is_better, ranks, revision, pools, lowest, highest, gamed_by
        Copied from the metric's card, so that a record can be read without the metric.
    """

    per_slide: dict[str, tuple[Score, ...]]
    pooled: tuple[Score, ...]
    columns: tuple[str, ...] = ()
    headline: str = ""
    higher_is_better: bool
    ranks: bool = False
    revision: str
    pools: Literal["also", "never", "only"] = "also"
    lowest: Score = None
    highest: Score = None
    gamed_by: str = ""

    @property
    def undefined(self) -> int:
        """Count the undefined scores: per slide, or pooled if the metric only pools."""
        rows = [self.pooled] if self.pools == "only" else self.per_slide.values()
        return sum(score is None for scores in rows for score in scores)

    def overall(self, scores: Sequence[Score], /, *, column: str = "") -> float:
        """Reduce a row of scores to one number: the column, else the headline, else the mean of those defined."""
        column = column or self.headline
        if column:
            scores = [scores[self.columns.index(column)]] if scores else []
        defined = [score for score in scores if score is not None and math.isfinite(score)]
        return sum(defined) / len(defined) if defined else math.nan

    def table(self) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
        """Return slide ids and their (slides, t) scores, undefined ones NaN."""
        rows = [[math.nan if s is None else s for s in scores] for scores in self.per_slide.values()]
        return tuple(self.per_slide), np.asarray(rows, dtype=np.float64)

    @classmethod
    def from_arrays(
        cls, per_slide: Mapping[str, Float], pooled: Float, *, card: MetricCard, columns: tuple[str, ...] = ()
    ) -> Self:
        """Build from (t,) or (columns,) arrays with NaN."""
        return cls(
            per_slide={slide: tuple(map(float, scores)) for slide, scores in per_slide.items()},
            pooled=tuple(map(float, pooled)),
            columns=columns,
            headline=card.headline,
            higher_is_better=card.higher_is_better,
            ranks=card.ranks,
            revision=card.revision,
            pools=card.pools,
            lowest=card.lowest,
            highest=card.highest,
            gamed_by=card.gamed_by,
        )


class SideScore(Model):
    """One metric on an additional output of a method: means over its targets, undefined scores left out."""

    per_slide: dict[str, Score]
    pooled: Score
    undefined: int
    higher_is_better: bool
    revision: str

    @classmethod
    def of(cls, scores: MetricScores, /) -> Self:
        """Average the scores of all targets."""
        return cls(
            per_slide={slide: scores.overall(row) for slide, row in scores.per_slide.items()},
            pooled=scores.overall(scores.pooled),
            undefined=scores.undefined,
            higher_is_better=scores.higher_is_better,
            revision=scores.revision,
        )


class SideScores(Model):
    """All metrics on one additional output of a method.

    Attributes
    ----------
    passed_over
        Metric → why it could not be computed.
    """

    kind: Kind
    n_targets: int
    scores: dict[str, SideScore] = Field(default_factory=dict)
    passed_over: dict[str, str] = Field(default_factory=dict)
