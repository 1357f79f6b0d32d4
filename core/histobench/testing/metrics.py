"""Proof that a metric keeps its promise, on random spots and on awkward ones, and that ignorance gets no good score."""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from histobench.contracts.cards import MetricCard
from histobench.contracts.protocols import ContextMetric, Metric
from histobench.data import Float
from histobench.testing.facts import check_facts, expect, untouched
from histobench.testing.spots import ScoredSpots, draw_spots

__all__ = ["check_metric"]

_SPOTS, _MANY, _TARGETS = 40, 200, 5
_SLACK = 1e-6
_SHUFFLES = 20
_ABSENT = (1 / 3, 0.85)
"""Shares of spots without a target: where most have nothing, predicting nothing is often near."""
_DISTRIBUTIONS = {"interval", "nb", "zinb"}


def check_metric(card: MetricCard, /) -> None:
    """Prove that a metric keeps the contract, for every kind of target that it scores.

    Raises
    ------
    ContractError
        Naming the metric and the first promise that it does not keep.
    """
    check_facts(card, "metric")
    it = f"metric {card.name!r}"
    expect(bool(card.kinds), f"{it}: its card scores no kind of target.")
    expect(card.lowest < card.highest, f"{it}: its bounds {card.lowest} and {card.highest} leave no room.")
    expect(not (card.ranks and card.gamed_by), f"{it}: it cannot rank because it is gamed by {card.gamed_by}.")
    expect(not (card.ranks and card.expensive), f"{it}: it ranks, and cannot be left out for its cost.")
    for kind in card.kinds:
        judge = _Judge(card, f"{it} ({kind})", card.build())
        spots = draw_spots(card, kind, n=_SPOTS)
        expect(math.isfinite(judge.overall(spots)), f"{judge.it}: it is undefined on ordinary spots.")
        if not card.columns:
            expect(bool(np.isfinite(judge(spots)).all()), f"{judge.it}: it is undefined on ordinary spots.")
        _check_symmetries(judge, spots)
        _check_perfection(judge, spots)
        _check_awkward(judge, spots, independent=kind != "label" and card.view == "target" and not card.columns)
        if not card.gamed_by:
            for absent in _ABSENT if kind != "label" and not _DISTRIBUTIONS & set(card.needs) else _ABSENT[:1]:
                _check_ignorance(judge, draw_spots(card, kind, n=_MANY, noise=0.5, absent=absent))


class _Judge:
    """A metric that is watched while it scores."""

    def __init__(self, card: MetricCard, it: str, metric: Metric | ContextMetric) -> None:
        self.card = card
        self.it = it
        self._metric: Callable[..., Float] = metric

    def columns(self, spots: ScoredSpots) -> tuple[str, ...]:
        return self.card.columns(spots.names) if callable(self.card.columns) else self.card.columns

    def __call__(self, spots: ScoredSpots) -> Float:
        beside = {"context": spots.context()} if self.card.needs else {}
        with untouched(self.it, spots.predicted, spots.observed), warnings.catch_warnings():
            warnings.simplefilter("error")
            scores = self._metric(spots.predicted, spots.observed, **beside)
        columns = self.columns(spots)
        shape = (len(columns) if self.card.columns else spots.observed.shape[1],)
        expect(np.shape(scores) == shape, f"{self.it}: scores must be {shape}, got {np.shape(scores)}.")
        expect(scores.dtype == np.float64, f"{self.it}: scores are float64, got {scores.dtype}.")
        defined = scores[~np.isnan(scores)]
        expect(bool(np.isfinite(defined).all()), f"{self.it}: an undefined score is NaN, never infinite.")
        if self.card.headline:
            known = self.card.headline in columns
            expect(known, f"{self.it}: its headline {self.card.headline!r} is none of its columns.")
            defined = scores[[columns.index(self.card.headline)]]
            defined = defined[~np.isnan(defined)]
        low, high = self.card.lowest - _SLACK, self.card.highest + _SLACK
        within = bool(((defined >= low) & (defined <= high)).all())
        expect(within, f"{self.it}: a score is outside [{self.card.lowest}, {self.card.highest}]: {defined}.")
        return scores

    def overall(self, spots: ScoredSpots) -> float:
        """Return the one number that a board shows; NaN if nothing is defined."""
        scores = self(spots)
        if self.card.headline:
            return float(scores[self.columns(spots).index(self.card.headline)])
        defined = scores[~np.isnan(scores)]
        return float(defined.mean()) if defined.size else math.nan

    def beats(self, one: float, other: float, *, by: float = 0.0) -> bool:
        """Tell whether one score is better than another; an undefined one never is."""
        return one > other + by if self.card.higher_is_better else one < other - by


def _check_symmetries(judge: _Judge, spots: ScoredSpots) -> None:
    scores = judge(spots)
    everything = np.arange(_SPOTS), np.arange(_TARGETS)
    shuffled = judge(spots.take(np.random.default_rng(1).permutation(_SPOTS), everything[1]))
    same = np.allclose(shuffled, scores, atol=_SLACK, equal_nan=True)
    expect(same, f"{judge.it}: the order of the spots changes the score.")
    if not callable(judge.card.columns):
        turned = judge(spots.take(everything[0], everything[1][::-1]))
        turned = turned if judge.card.columns else turned[::-1]
        same = np.allclose(turned, scores, atol=_SLACK, equal_nan=True)
        expect(same, f"{judge.it}: the order of the targets changes the score.")
    nothing = judge(spots.take(everything[0], everything[1][:0]))
    expect(bool(np.isnan(nothing).all()), f"{judge.it}: no targets must give no scores.")
    again = np.array_equal(judge(spots), scores, equal_nan=True)
    expect(again, f"{judge.it}: it scores the same spots differently.")


def _check_perfection(judge: _Judge, spots: ScoredSpots) -> None:
    perfect, imperfect = judge.overall(spots.perfect()), judge.overall(spots)
    best = judge.card.highest if judge.card.higher_is_better else judge.card.lowest
    beaten = judge.beats(perfect, imperfect) or (bool(judge.card.gamed_by) and imperfect == perfect == best)
    # what can be gamed without end may exceed what is right
    beaten = beaten or (bool(judge.card.gamed_by) and not judge.card.reached and math.isinf(best))
    expect(beaten, f"{judge.it}: a perfect prediction does not beat a noisy one: {perfect} against {imperfect}.")
    # no distribution of counts is certain of them
    certain = math.isfinite(best) and judge.card.reached and not {"nb", "zinb"} & set(judge.card.needs)
    reached = judge(spots.perfect()) if certain and not judge.card.headline else np.array([perfect])
    told = f"{judge.it}: a perfect prediction scores {reached}, not its card's best, {best}."
    expect(not certain or np.allclose(reached[~np.isnan(reached)], best, atol=1e-5), told)


def _check_alone(judge: _Judge, spots: ScoredSpots) -> None:
    """Score each target without the others; classes are the exception, they compete for a spot."""
    together = judge(spots)
    for column in range(_TARGETS):
        alone = judge(spots.take(np.arange(_SPOTS), np.array([column])))
        alike = np.allclose(alone, together[column], atol=_SLACK, equal_nan=True)
        expect(alike, f"{judge.it}: the score of a target depends on the other targets.")


def _check_awkward(judge: _Judge, spots: ScoredSpots, *, independent: bool) -> None:
    """One spot, constant columns: a score or NaN, no warning, no error, and never at the cost of another target."""
    judge(spots.take(np.arange(1), np.arange(_TARGETS)))
    judge(spots.take(np.arange(_SPOTS), np.arange(1)))
    flat = np.repeat(spots.observed[:1], _SPOTS, axis=0)  # one class, or one value, everywhere
    half = np.concatenate([flat[:, :2], spots.observed[:, 2:]], axis=1)
    flats = [(spots.predicted, flat), (flat, spots.observed), (flat, flat)]
    halves = [(spots.predicted, half), (half, spots.observed), (half, half)]
    for predicted, observed in flats:
        judge(replace(spots, predicted=predicted, observed=observed))
    if independent:
        for predicted, observed in halves:
            _check_alone(judge, replace(spots, predicted=predicted, observed=observed))


def _check_ignorance(judge: _Judge, spots: ScoredSpots) -> None:
    """Compare predictions without knowledge of the spots with the better of the training mean and shuffled spots.

    The positions of the spots are random, so that the truth of a neighbour is no better than that of any other spot.
    The tolerance is the spread among the shuffles, plus a twentieth of the advantage of a good prediction, for the
    bias of an estimator.
    """
    draw = np.random.default_rng(2)
    shuffles = [judge.overall(spots.saying(spots.observed[draw.permutation(_MANY)])) for _ in range(_SHUFFLES)]
    control = judge.overall(spots.saying(_everywhere(spots.training.mean)))
    known = [score for score in (*shuffles, control) if not math.isnan(score)]
    best = max(known) if judge.card.higher_is_better else min(known)
    honest = judge.overall(spots)
    luck = max(shuffles) - min(shuffles) + 0.05 * abs(honest - best) + _SLACK
    for what, predicted in _ignorant(spots, draw):
        ignorant = judge.overall(spots.saying(predicted))
        told = f"{judge.it}: {what} scores {ignorant:.4g}, better than the controls' {best:.4g} by more than chance."
        expect(not judge.beats(ignorant, best, by=luck), f"{told} If this is intended, describe it in gamed_by.")
    above = judge.beats(honest, best)
    expect(above, f"{judge.it}: a good prediction scores {honest:.4g}, no better than the controls' {best:.4g}.")


def _ignorant(spots: ScoredSpots, draw: np.random.Generator) -> Iterator[tuple[str, Float]]:
    observed = spots.observed
    yield "predicting nothing", np.zeros_like(observed)
    yield "predicting the largest value everywhere", np.full_like(observed, observed.max())
    yield "predicting one target's largest value everywhere", _everywhere(observed.max(axis=0))
    yield "predicting each target's median everywhere", _everywhere(np.median(observed, axis=0))
    yield "shuffling the spots", observed[draw.permutation(len(observed))]
    yield "copying the neighbouring spot", np.roll(observed, 1, axis=0)
    yield "predicting another target", np.roll(observed, 1, axis=1)
    yield "predicting noise", draw.normal(observed.mean(), observed.std(), observed.shape).astype(np.float32)


def _everywhere(values: Float) -> Float:
    return np.tile(values.astype(np.float32), (_MANY, 1))
