"""Spots on which the contract kit scores metrics: prediction, observation, and all that a metric may need beside."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from histobench.card import MetricCard
from histobench.data import Float, Int, Kind, ScoreContext, TrainingFacts

__all__ = ["ScoredSpots", "draw_spots"]

_SPACING_UM = 200.0
_MPP = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredSpots:
    """One slide's spots on a square lattice.

    Attributes
    ----------
    predicted, observed
        (n, t) float32.
    place
        (n,) number of each spot on the lattice, row by row.
    training
        What other spots of the same kind say of each target.
    doubt
        How far the ends of predictive intervals lie from the prediction.
    """

    predicted: Float
    observed: Float
    place: Int
    training: TrainingFacts
    doubt: float = 1.5

    def take(self, rows: Int, columns: Int) -> Self:
        """Take some spots and some targets, in the order given."""
        facts = self.training
        return replace(
            self,
            predicted=np.ascontiguousarray(self.predicted[rows][:, columns]),
            observed=np.ascontiguousarray(self.observed[rows][:, columns]),
            place=self.place[rows],
            training=TrainingFacts(
                mean=facts.mean[columns], deviation=facts.deviation[columns], prevalence=facts.prevalence[columns]
            ),
        )

    def saying(self, predicted: Float) -> Self:
        """Predict something else."""
        return replace(self, predicted=predicted)

    def perfect(self) -> Self:
        """Predict what is observed, and be sure of it."""
        return replace(self, predicted=self.observed, doubt=0.0)

    @property
    def names(self) -> tuple[str, ...]:
        """Name the targets by their training means, which stay with them when they change places."""
        return tuple(f"target {mean!r}" for mean in self.training.mean.tolist())

    def context(self) -> ScoreContext:
        """Make all that a metric may need."""
        mean = np.maximum(self.predicted, 1e-3)
        width = 10
        return ScoreContext(
            names=self.names,
            slide_ids=np.full(len(self.place), "A1"),
            xy_um=np.stack([self.place % width, self.place // width], axis=1).astype(np.float32) * _SPACING_UM,
            mpp=_MPP,
            training=self.training,
            regions=np.where(self.place % width < width // 2, "tumour", "stroma").astype(np.str_),
            parameters={
                "low": self.predicted - self.doubt,
                "high": self.predicted + self.doubt,
                "mean": mean,
                "dispersion": np.full_like(mean, 1e3),
                "zero": np.full_like(mean, 1e-3),
            },
        )


def draw_spots(card: MetricCard, kind: Kind, *, n: int, noise: float = 1.0, absent: float = 1 / 3) -> ScoredSpots:
    """Draw n spots of five targets that lie at random, and a noisy prediction of them.

    Classes for labels; counts for a metric of counts; else amounts of differing means, a share of them absent: zero.
    """
    draw = np.random.default_rng(0)
    observed, elsewhere = (_amounts(draw, n, absent) if kind != "label" else _classes(draw, n) for _ in range(2))
    if {"nb", "zinb"} & set(card.needs):
        observed, elsewhere = np.rint(observed), np.rint(elsewhere)
    error = draw.normal(0.0, 0.8 * noise if kind == "label" else noise, observed.shape).astype(np.float32)
    predicted = observed + error if kind == "label" else np.abs(observed + error)
    facts = TrainingFacts(
        mean=elsewhere.mean(axis=0, dtype=np.float64),
        deviation=elsewhere.std(axis=0, dtype=np.float64),
        prevalence=(elsewhere > 0).mean(axis=0),
    )
    return ScoredSpots(predicted=predicted, observed=observed, place=np.arange(n), training=facts)


def _amounts(draw: np.random.Generator, n: int, absent: float) -> npt.NDArray[np.float32]:
    amounts = draw.gamma(2.0, np.linspace(1.0, 2.0, 5), (n, 5))
    return np.where(draw.random((n, 5)) < absent, 0.0, amounts).astype(np.float32)


def _classes(draw: np.random.Generator, n: int) -> npt.NDArray[np.float32]:
    return np.eye(5, dtype=np.float32)[draw.permutation(n) % 5]
