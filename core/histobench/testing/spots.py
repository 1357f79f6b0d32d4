"""Spots on which the contract kit scores metrics: prediction, observation, and what else a metric may need."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from histobench.contracts.card import MetricCard
from histobench.data import Float, Hidden, ImageFeatures, Int, Kind, ScoreContext, TrainingFacts, UInt8

__all__ = ["ScoredSpots", "draw_spots"]

_SPACING_UM = 200.0
_MPP = 0.5
_WIDTH = 10
_MASKED = 0.4
_NUCLEUS, _STROMA = np.array([80, 50, 140]), np.array([240, 190, 215])


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
        Values of each target at other spots of the same kind.
    kind
        What the task asks for at a spot.
    elsewhere
        (m, t) float32 other spots of the same kind.
    masked
        (n, t) bool, where a method that enhances was given zero.
    doubt
        How far the ends of predictive intervals lie from the prediction.
    """

    predicted: Float
    observed: Float
    place: Int
    training: TrainingFacts
    kind: Kind
    elsewhere: Float
    masked: npt.NDArray[np.bool_]
    doubt: float = 1.5

    def take(self, rows: Int, columns: Int) -> Self:
        """Take some spots and some targets, in the order given."""
        facts = self.training
        return replace(
            self,
            predicted=np.ascontiguousarray(self.predicted[rows][:, columns]),
            observed=np.ascontiguousarray(self.observed[rows][:, columns]),
            place=self.place[rows],
            elsewhere=self.elsewhere[:, columns],
            masked=self.masked[rows][:, columns],
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
        return ScoreContext(
            names=self.names,
            slide_ids=np.full(len(self.place), "A1"),
            xy_um=np.stack([self.place % _WIDTH, self.place // _WIDTH], axis=1).astype(np.float32) * _SPACING_UM,
            mpp=_MPP,
            training=self.training,
            regions=np.where(_is_left(self.place), "tumour", "stroma").astype(np.str_),
            parameters={
                "low": self.predicted - self.doubt,
                "high": self.predicted + self.doubt,
                "mean": mean,
                "dispersion": np.full_like(mean, 1e3),
                "zero": np.full_like(mean, 1e-3),
            },
            latent=self.predicted if self.kind == "enhance" else None,
            hidden=self._hidden() if self.kind == "enhance" else None,
            features=self._features() if self.kind == "generate" else None,
        )

    def _hidden(self) -> Hidden:
        return Hidden(depth=_depths(self.place), truth=self.observed, masked=self.masked, oracle=self.observed)

    def _features(self) -> ImageFeatures:
        """Take the tables for what an encoder sees in patches, as if it saw expression and nothing else."""
        return ImageFeatures(
            generated=self.predicted,
            real=self.observed,
            read_real=self.observed,
            nearest_generated=_nearest(self.predicted, self.elsewhere),
            nearest_real=_nearest(self.observed, self.elsewhere),
            images=_painted(self.predicted),
            patches=_painted(self.observed),
            image=self.predicted,
            expression=self.observed,
            real_image=self.observed,
        )


def draw_spots(card: MetricCard, kind: Kind, *, n: int, noise: float = 1.0, absent: float = 1 / 3) -> ScoredSpots:
    """Draw n spots of five targets at random positions, and a noisy prediction of them.

    Classes for labels; vectors for what is retrieved; molecules that differ between regions for what is enhanced;
    counts for a metric of counts; else amounts of differing means, a share of them absent: zero.
    """
    draw = np.random.default_rng(0)
    # neighbours in the table are neighbours nowhere else
    place = np.arange(n) if kind != "enhance" else np.random.default_rng(1).permutation(n)
    observed, elsewhere = (_draw_table(draw, kind, place=place, absent=absent) for _ in range(2))
    if {"nb", "zinb"} & set(card.needs):
        observed, elsewhere = np.rint(observed), np.rint(elsewhere)
    error = draw.normal(0.0, 0.8 * noise if kind == "label" else noise, observed.shape).astype(np.float32)
    predicted = observed + error if kind in {"label", "retrieve"} else np.abs(observed + error)
    facts = TrainingFacts(
        mean=elsewhere.mean(axis=0, dtype=np.float64),
        deviation=elsewhere.std(axis=0, dtype=np.float64),
        prevalence=(elsewhere > 0).mean(axis=0),
    )
    masked = draw.random(observed.shape) < _MASKED
    return ScoredSpots(
        predicted=predicted,
        observed=observed,
        place=place,
        training=facts,
        kind=kind,
        elsewhere=elsewhere,
        masked=masked,
    )


def _draw_table(draw: np.random.Generator, kind: Kind, *, place: Int, absent: float) -> npt.NDArray[np.float32]:
    n = len(place)
    if kind == "label":
        return np.eye(5, dtype=np.float32)[draw.permutation(n) % 5]
    if kind == "retrieve":
        return draw.normal(size=(n, 5)).astype(np.float32)
    amounts = draw.gamma(2.0, np.linspace(1.0, 2.0, 5), (n, 5))
    if kind == "enhance":
        # each region lacks what marks the other, and nothing is absent elsewhere
        amounts *= np.where(_is_left(place)[:, None] == (np.arange(5) % 2 == 0), 1.0, 0.02)
        return np.log1p(np.rint(5.0 * amounts) / _depths(place)[:, None] * 1e4).astype(np.float32)
    return np.where(draw.random((n, 5)) < absent, 0.0, amounts).astype(np.float32)


def _depths(place: Int) -> Float:
    """Draw the number of molecules of every spot: (n,) between 500 and 1,500."""
    return 500.0 + (place * 37) % 1000


def _is_left(place: Int) -> npt.NDArray[np.bool_]:
    left: npt.NDArray[np.bool_] = place % _WIDTH < _WIDTH // 2
    return left


def _painted(values: Float) -> UInt8:
    """Paint as many nuclei as there are halves of amount in each row: (n, 32, 32, 3)."""
    cells = np.arange(16).reshape(4, 4)[:, :, None, None]
    inside = np.zeros((8, 8), dtype=np.bool_)
    inside[2:6, 2:6] = True
    dark = (cells < values.sum(axis=1)[:, None, None, None, None] / 2) & inside
    dark = dark.transpose(0, 1, 3, 2, 4).reshape(len(values), 32, 32)
    return np.where(dark[..., None], _NUCLEUS, _STROMA).astype(np.uint8)


def _nearest(values: Float, others: Float) -> Float:
    return cdist(values, others).min(axis=1) if values.shape[1] else np.zeros(len(values))
