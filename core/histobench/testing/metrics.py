"""Proof that a metric keeps its promise, on random spots and on awkward ones."""

import math
import warnings
from collections.abc import Callable

import numpy as np

from histobench.cards import MetricCard
from histobench.contracts import Metric
from histobench.data import Float, Kind
from histobench.testing.facts import check_facts, expect, untouched

__all__ = ["check_metric"]

_SPOTS, _TARGETS = 40, 5
_SLACK = 1e-6


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
    for kind in card.kinds:
        judge = _Judge(card, f"{it} ({kind})", card.build())
        predicted, observed = _spots(kind)
        scores = judge(predicted, observed)
        expect(bool(np.isfinite(scores).all()), f"{judge.it}: it is undefined on ordinary spots.")
        _check_symmetries(judge, predicted, observed)
        _check_perfection(judge, predicted, observed)
        _check_awkward(judge, predicted, observed, independent=kind != "label")


class _Judge:
    """A metric that is watched while it scores."""

    def __init__(self, card: MetricCard, it: str, metric: Metric) -> None:
        self.card = card
        self.it = it
        self._metric = metric

    def __call__(self, predicted: Float, observed: Float) -> Float:
        with untouched(self.it, predicted, observed), warnings.catch_warnings():
            warnings.simplefilter("error")
            scores = self._metric(predicted, observed)
        shape = (predicted.shape[1],)
        expect(np.shape(scores) == shape, f"{self.it}: scores must be {shape}, got {np.shape(scores)}.")
        expect(scores.dtype == np.float64, f"{self.it}: scores are float64, got {scores.dtype}.")
        defined = scores[~np.isnan(scores)]
        expect(bool(np.isfinite(defined).all()), f"{self.it}: an undefined score is NaN, never infinite.")
        low, high = self.card.lowest - _SLACK, self.card.highest + _SLACK
        within = bool(((defined >= low) & (defined <= high)).all())
        expect(within, f"{self.it}: a score is outside [{self.card.lowest}, {self.card.highest}]: {defined}.")
        return scores


def _check_symmetries(judge: _Judge, predicted: Float, observed: Float) -> None:
    scores = judge(predicted, observed)
    order = np.random.default_rng(1).permutation(_SPOTS)
    same = np.allclose(judge(predicted[order], observed[order]), scores, atol=_SLACK)
    expect(same, f"{judge.it}: the order of the spots changes the score.")
    turned = judge(np.ascontiguousarray(predicted[:, ::-1]), np.ascontiguousarray(observed[:, ::-1]))
    expect(np.allclose(turned[::-1], scores, atol=_SLACK), f"{judge.it}: the order of the targets changes the score.")
    expect(judge(predicted[:, :0], observed[:, :0]).size == 0, f"{judge.it}: no targets must give no scores.")
    expect(np.array_equal(judge(predicted, observed), scores), f"{judge.it}: it scores the same spots differently.")


def _check_perfection(judge: _Judge, predicted: Float, observed: Float) -> None:
    perfect, imperfect = judge(observed, observed), judge(predicted, observed)
    better: Callable[..., Float] = np.greater if judge.card.higher_is_better else np.less
    beaten = bool(better(perfect, imperfect).all())
    expect(beaten, f"{judge.it}: a perfect prediction does not beat a noisy one: {perfect} against {imperfect}.")
    bound = judge.card.highest if judge.card.higher_is_better else judge.card.lowest
    reached = not math.isfinite(bound) or np.allclose(perfect, bound, atol=1e-5)
    expect(reached, f"{judge.it}: a perfect prediction scores {perfect}, not its card's best, {bound}.")


def _check_alone(judge: _Judge, predicted: Float, observed: Float) -> None:
    """Score each target without the others; classes are the exception, they compete for a spot."""
    together = judge(predicted, observed)
    for column in range(_TARGETS):
        one = slice(column, column + 1)
        alone = judge(np.ascontiguousarray(predicted[:, one]), np.ascontiguousarray(observed[:, one]))
        alike = np.allclose(alone, together[one], atol=_SLACK, equal_nan=True)
        expect(alike, f"{judge.it}: the score of a target depends on the targets beside it.")


def _check_awkward(judge: _Judge, predicted: Float, observed: Float, *, independent: bool) -> None:
    """One spot, constant columns: a score or NaN, no warning, no error, and never at the cost of another target."""
    judge(predicted[:1], observed[:1])
    flat = np.repeat(observed[:1], _SPOTS, axis=0)  # one class, or one value, everywhere
    half = np.concatenate([flat[:, :2], observed[:, 2:]], axis=1)
    for one, other in ((predicted, flat), (flat, observed), (flat, flat)):
        judge(one, other)
    if independent:
        for one, other in ((predicted, half), (half, observed), (half, half)):
            _check_alone(judge, one, other)


def _spots(kind: Kind) -> tuple[Float, Float]:
    """Draw a prediction and an observation, (40, 5) float32 each."""
    draw = np.random.default_rng(0)
    if kind == "label":
        observed = np.eye(_TARGETS, dtype=np.float32)[np.arange(_SPOTS) % _TARGETS]
        noisy = observed + draw.normal(0.0, 0.8, observed.shape)
        return noisy.astype(np.float32), observed
    observed = draw.gamma(2.0, 1.5, (_SPOTS, _TARGETS)).astype(np.float32)
    noisy = np.abs(observed + draw.normal(0.0, 1.0, observed.shape))
    return noisy.astype(np.float32), observed
