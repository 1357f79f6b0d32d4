"""From predictions to scores: every metric on every slide, and on all slides pooled.

The per-slide view ranks. The pooled one, which counts differences between slides as signal, stands beside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from histobench.cards import MetricCard
from histobench.contracts import Metric
from histobench.data import Float, SlideResult
from histobench.errors import DataError, ShapeError, told
from histobench.records import MetricScores

__all__ = ["Evaluation", "score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What came of scoring.

    Attributes
    ----------
    scores
        Metric → its scores.
    warnings
        A sentence for every metric that failed somewhere; its scores there are NaN.
    """

    scores: dict[str, MetricScores]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What a metric is given: one slide, or all of them."""

    where: str
    predicted: Float
    observed: Float


@dataclass(slots=True)
class _Failures:
    """Where one metric failed, and how it failed first."""

    metric: str
    first: str = ""
    places: list[str] = field(default_factory=list)

    def add(self, where: str, cause: str) -> None:
        self.first = self.first or f"{where}: {cause}"
        self.places.append(where)

    def sentence(self, n_parts: int) -> str:
        return (
            f"metric {self.metric!r} failed on {len(self.places)} of {n_parts} evaluations, first on {self.first}; "
            "its scores there are undefined."
        )


def score(results: Sequence[SlideResult], cards: Sequence[MetricCard]) -> Evaluation:
    """Score the predictions of one job.

    Values are rounded to float32 first, the precision in which predictions are stored, so that scoring the stored
    ones again gives the same numbers.

    Parameters
    ----------
    results
        The test slides, all with the same targets.
    cards
        The metrics; those that do not serve the kind of target are passed over.

    Raises
    ------
    DataError
        If there are no results.
    ShapeError
        If slides differ in their targets or a slide stands twice.
    """
    _check(results)
    kind = results[0].observed.kind
    parts = [
        _Part(where=r.slide_id, predicted=_fixed(r.predicted.values), observed=_fixed(r.observed.values))
        for r in results
    ]
    pooled = _Part(
        where="all slides pooled",
        predicted=_fixed(np.concatenate([part.predicted for part in parts])),
        observed=_fixed(np.concatenate([part.observed for part in parts])),
    )
    scores: dict[str, MetricScores] = {}
    warnings: list[str] = []
    for card in cards:
        if kind in card.kinds:
            scores[card.name], warning = _score_one(card, parts, pooled=pooled)
            warnings += warning
    return Evaluation(scores=scores, warnings=tuple(warnings))


def _score_one(card: MetricCard, parts: Sequence[_Part], *, pooled: _Part) -> tuple[MetricScores, list[str]]:
    failures = _Failures(card.name)
    metric = _build(card)
    rows = {part.where: _evaluate(metric, part, card=card, failures=failures) for part in parts}
    whole = _evaluate(metric, pooled, card=card, failures=failures)
    scores = MetricScores.from_arrays(rows, whole, card=card)
    return scores, [failures.sentence(len(parts) + 1)] if failures.places else []


def _build(card: MetricCard) -> Callable[[Float, Float], object]:
    try:
        return card.build()
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- whatever a stranger's metric raises
        return _broken(told(error))


def _broken(cause: str) -> Metric:
    def metric(_predicted: Float, _observed: Float, /) -> Float:
        raise DataError(f"it could not be built: {cause}")

    return metric


def _evaluate(
    metric: Callable[[Float, Float], object], part: _Part, *, card: MetricCard, failures: _Failures
) -> npt.NDArray[np.float64]:
    n_targets = part.observed.shape[1]
    predicted = _fixed(np.maximum(part.predicted, 0)) if card.clips_predictions else part.predicted
    try:
        values = np.asarray(metric(predicted, part.observed), dtype=np.float64)
        if values.shape != (n_targets,):
            raise ShapeError(f"it returned {values.shape} where ({n_targets},) was expected")
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- whatever a stranger's metric raises
        failures.add(part.where, told(error))
        return np.full(n_targets, np.nan)
    return values


def _check(results: Sequence[SlideResult]) -> None:
    if not results:
        raise DataError("there is nothing to score: no slide was predicted.")
    first = results[0]
    seen: set[str] = set()
    for result in results:
        if (result.observed.kind, result.observed.names) != (first.observed.kind, first.observed.names):
            raise ShapeError(f"slides {first.slide_id!r} and {result.slide_id!r} were not predicted for one panel.")
        if result.slide_id in seen:
            raise ShapeError(f"slide {result.slide_id!r} stands twice among the results.")
        seen.add(result.slide_id)


def _fixed(values: Float) -> Float:
    """Copy to float32 and lock, so that no metric changes what the next one sees."""
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and its score undefined
        copy = np.array(values, dtype=np.float32)
    copy.flags.writeable = False
    return copy
