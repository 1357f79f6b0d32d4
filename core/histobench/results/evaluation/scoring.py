"""From predictions to scores: every metric on every slide, and on all slides pooled.

The scores per slide are the basis of rankings. The pooled ones, which count differences between slides as signal, are
reported with them. A metric that scores each target by itself is given the targets in blocks, to limit memory.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from histobench.contracts.cards import MetricCard
from histobench.data import Float, ScoreContext, SlideResult, TrainingFacts
from histobench.errors import DataError, ShapeError, explain
from histobench.results.evaluation.parts import Part, locked
from histobench.results.records import MetricScores, RunRecord, SideScore, SideScores

__all__ = ["Evaluation", "score"]

_BLOCK = 1 << 22
"""Values that a metric is given at once, 32 MiB as float64; metrics hold several copies."""

_ScoreRow = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The result of scoring.

    Attributes
    ----------
    scores
        Metric → its scores.
    beside
        Additional output → its scores.
    passed_over
        Metric → why it could not be computed, although it scores this kind of target.
    warnings
        One sentence for every metric that failed on some slides; its scores there are NaN.
    """

    scores: dict[str, MetricScores]
    beside: dict[str, SideScores] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def added_to(self, record: RunRecord) -> RunRecord:
        """Return a record with these scores added; those of other metrics stay."""
        beside = dict(record.beside)
        for name, side in self.beside.items():
            known = beside.get(name, side)
            scores = {**known.scores, **side.scores}
            beside[name] = side.model_copy(
                update={"scores": scores, "passed_over": {**known.passed_over, **side.passed_over}}
            )
        passed_over = {**record.passed_over, **self.passed_over}
        return record.model_copy(
            update={
                "scores": {**record.scores, **self.scores},
                "beside": beside,
                "passed_over": {name: why for name, why in passed_over.items() if name not in self.scores},
                "warnings": (*record.warnings, *self.warnings),
            }
        )


@dataclass(slots=True)
class _Failures:
    """The slides on which one metric failed, and the first cause."""

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


def score(
    results: Sequence[SlideResult], cards: Sequence[MetricCard], training: TrainingFacts | None = None
) -> Evaluation:
    """Score the predictions of one job, and its additional outputs.

    Values are first rounded to float32, the precision in which predictions are stored, so that scoring the stored ones
    again gives the same numbers.

    Parameters
    ----------
    results
        The test slides, all with the same targets.
    cards
        The metrics; those for other kinds of target, or with missing inputs, are passed over.
    training
        What metrics may know about the training set, if it was stored.

    Raises
    ------
    DataError
        If there are no results.
    ShapeError
        If slides differ in their targets, or a slide occurs twice.
    """
    _check(results)
    scores, passed_over, warnings = _score_table(results, cards, training)
    beside: dict[str, SideScores] = {}
    for name, first in results[0].beside.items():
        side = [_side(result, name) for result in results]
        _check(side)
        found, passed, side_warnings = _score_table(side, cards, None)
        means = {metric: SideScore.of(table) for metric, table in found.items()}
        beside[name] = SideScores(kind=first.kind, n_targets=len(first.names), scores=means, passed_over=passed)
        warnings += [f"side target {name}: {sentence}" for sentence in side_warnings]
    return Evaluation(scores=scores, beside=beside, passed_over=passed_over, warnings=tuple(warnings))


def _score_table(
    results: Sequence[SlideResult], cards: Sequence[MetricCard], training: TrainingFacts | None
) -> tuple[dict[str, MetricScores], dict[str, str], list[str]]:
    """Score one table of targets; return scores, passed-over metrics with their reasons, and warnings."""
    # if only some slides are annotated, scores of regions are undefined on the others
    facts: dict[str, Any] = {  # Any: facts of different types
        "training": training,
        "annotated": any(result.regions is not None for result in results),
    }
    parts = [Part(where=result.slide_id, results=(result,), **facts) for result in results]
    pooled = Part(where="all slides pooled", results=tuple(results), **facts)
    contexts = [part.context(slice(0, 0)) for part in parts]
    scores: dict[str, MetricScores] = {}
    passed_over: dict[str, str] = {}
    warnings: list[str] = []
    for card in cards:
        if results[0].observed.kind not in card.kinds:
            continue
        reasons = [reason for need in card.needs for context in contexts if (reason := context.lacks(need))]
        if reasons:
            passed_over[card.name] = reasons[0]
            continue
        scores[card.name], warning = _score_one(card, parts, pooled=pooled)
        warnings += warning
    return scores, passed_over, warnings


def _score_one(card: MetricCard, parts: Sequence[Part], *, pooled: Part) -> tuple[MetricScores, list[str]]:
    failures = _Failures(card.name)
    metric = _build(card)
    names = pooled.results[0].observed.names
    columns = card.columns(names) if callable(card.columns) else card.columns
    size = len(columns or names)
    undefined = np.full(size, np.nan)

    def evaluate(part: Part) -> _ScoreRow:
        return _evaluate(metric, part, card=card, size=size, failures=failures)

    rows = {part.where: undefined if card.pools == "only" else evaluate(part) for part in parts}
    whole = undefined if card.pools == "never" else evaluate(pooled)
    scores = MetricScores.from_arrays(rows, whole, card=card, columns=columns)
    n_parts = len(parts) * (card.pools != "only") + (card.pools != "never")
    return scores, [failures.sentence(n_parts)] if failures.places else []


def _build(card: MetricCard) -> Callable[..., object]:
    try:
        return card.build()
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- a third party's metric may raise anything
        return _broken(explain(error))


def _broken(cause: str) -> Callable[..., object]:
    def metric(*_tables: Float, **_context: ScoreContext) -> Float:
        raise DataError(f"it could not be built: {cause}")

    return metric


def _evaluate(
    metric: Callable[..., object], part: Part, *, card: MetricCard, size: int, failures: _Failures
) -> _ScoreRow:
    n_targets = len(part.results[0].observed.names)
    found: list[_ScoreRow] = []
    try:
        for columns in _blocks(card, part.n_spots, n_targets):
            predicted, observed = part.tables(columns)
            if card.clips_predictions:
                predicted = locked(np.maximum(predicted, 0))
            beside: dict[str, Any] = {"context": part.context(columns)} if card.needs else {}  # Any: see ScoreContext
            values = np.asarray(metric(predicted, observed, **beside), dtype=np.float64)
            wanted = observed.shape[1] if not card.columns else size
            if values.shape != (wanted,):
                raise ShapeError(f"it returned {values.shape} where ({wanted},) was expected")
            found.append(values)
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- a third party's metric may raise anything
        failures.add(part.where, explain(error))
        return np.full(size, np.nan)
    return np.concatenate(found) if found else np.full(size, np.nan)


def _blocks(card: MetricCard, n_spots: int, n_targets: int) -> Iterator[slice]:
    """Yield blocks of targets if a metric scores each by itself (the contract kit checks this), else all of them."""
    alone = card.view == "target" and not card.columns and "label" not in card.kinds
    width = max(1, _BLOCK // max(n_spots, 1)) if alone else max(n_targets, 1)
    for start in range(0, max(n_targets, 1), width):
        yield slice(start, min(start + width, n_targets))


def _side(result: SlideResult, name: str) -> SlideResult:
    """Return an additional output as a result."""
    return SlideResult(
        slide_id=result.slide_id,
        spot_ids=result.spot_ids,
        xy_um=result.xy_um,
        mpp=result.mpp,
        predicted=result.predicted.beside[name],
        observed=result.beside[name],
        regions=result.regions,
    )


def _check(results: Sequence[SlideResult]) -> None:
    if not results:
        raise DataError("there is nothing to score: no slide was predicted.")
    first = results[0]
    seen: set[str] = set()
    for result in results:
        if (result.observed.kind, result.observed.names) != (first.observed.kind, first.observed.names):
            raise ShapeError(f"slides {first.slide_id!r} and {result.slide_id!r} have different targets.")
        if result.slide_id in seen:
            raise ShapeError(f"slide {result.slide_id!r} occurs twice in the results.")
        seen.add(result.slide_id)
