"""Predictions, together with observations."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from histobench.data._checks import check_finite, check_rows, check_shape, check_table
from histobench.data.outcomes import Hidden, ImageFeatures
from histobench.data.tables import Targets
from histobench.data.types import Float, Int
from histobench.errors import ShapeError

__all__ = ["Prediction", "SlideResult", "TrainingFacts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The prediction of a method for each spot.

    Attributes
    ----------
    names
        (t,) names of the targets.
    values
        (n, t) float32, in the unit of the targets. Finite.
    parameters
        Parameters of the predicted distribution, if any, (n, t) each: ``low`` and ``high``, the ends of an interval
        that should hold 90 % of the observations; ``mean``, ``dispersion`` and ``zero`` of a zero-inflated
        negative binomial over counts.
    beside
        Predictions of side targets, by the names of `histobench.data.Auxiliary`: stored and scored, but never ranked.
    latent
        (n, d) float32 latent vectors of the spots for the task ``enhance``; they are clustered.
    """

    names: tuple[str, ...]
    values: Float
    parameters: Mapping[str, Float] = field(default_factory=dict)
    beside: "Mapping[str, Prediction]" = field(default_factory=dict)
    latent: Float | None = None

    def __post_init__(self) -> None:
        """Refuse anything but a finite (n, t) table of real numbers; it is kept as float32."""
        if not isinstance(self.values, np.ndarray) or self.values.dtype.kind != "f":
            found = self.values.dtype if isinstance(self.values, np.ndarray) else type(self.values).__name__
            raise ShapeError(f"prediction must be an array of real floats, got {found}.")
        object.__setattr__(self, "names", tuple(self.names))
        with np.errstate(over="ignore"):  # values that overflow become infinite and are refused below
            object.__setattr__(self, "values", self.values.astype(np.float32, copy=False))
        check_table("prediction", self.names, self.values)
        check_finite("prediction", self.names, self.values)
        self._check_parameters()
        if self.latent is not None:
            check_rows("the latent", self.latent, len(self.values))
            if self.latent.ndim != 2 or not np.isfinite(self.latent).all():
                raise ShapeError(f"the latent must be a finite (n, d) table, got {self.latent.shape}.")
            object.__setattr__(self, "latent", self.latent.astype(np.float32, copy=False))
        for name, other in self.beside.items():
            check_rows(f"the prediction of side target {name!r}", other.values, len(self.values))

    def _check_parameters(self) -> None:
        kept: dict[str, Float] = {}
        for name, values in self.parameters.items():
            check_shape(f"parameter {name!r} of the prediction", values, self.values.shape)
            kept[name] = np.asarray(values, dtype=np.float32)
            check_finite(f"parameter {name!r} of the prediction", self.names, kept[name])
        object.__setattr__(self, "parameters", kept)

    def copy(self) -> Self:
        """Copy every array, so that a method may reuse its buffers."""
        return replace(
            self,
            values=self.values.copy(),
            parameters={name: values.copy() for name, values in self.parameters.items()},
            beside={name: other.copy() for name, other in self.beside.items()},
            latent=None if self.latent is None else self.latent.copy(),
        )

    def take(self, rows: Int) -> Self:
        """Return some of the spots, in the given order."""
        return replace(
            self,
            values=self.values[rows],
            parameters={name: values[rows] for name, values in self.parameters.items()},
            beside={name: other.take(rows) for name, other in self.beside.items()},
            latent=None if self.latent is None else self.latent[rows],
        )

    def check_against(self, n_spots: int, names: tuple[str, ...]) -> None:
        """Raise ``ShapeError`` unless this predicts these targets for this many spots."""
        if self.values.shape != (n_spots, len(names)):
            raise ShapeError(f"prediction must be ({n_spots}, {len(names)}), got {self.values.shape}.")
        if self.names != names:
            wrong = next((ours, asked) for ours, asked in zip(self.names, names, strict=True) if ours != asked)
            raise ShapeError(f"prediction names {wrong[0]!r} where the task has {wrong[1]!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideResult:
    """Predictions and observations on one test slide: enough to compute any metric later.

    Attributes
    ----------
    spot_ids
        (n,) str.
    xy_um
        (n, 2) microns.
    beside
        Observations of ``predicted.beside``, by the same names. A spot without a label is a row of zeros, which no
        score counts.
    mpp
        Microns per pixel of the slide's full-resolution image, if known.
    regions
        (n,) str annotation of each spot, empty if it has none; ``None`` if the slide is not annotated. Metrics may use
        it; methods never see it.
    hidden
        The data that were hidden from an enhancing method; ``None`` for other tasks.
    features
        Features of generated and real patches; ``None`` for other tasks.
    """

    slide_id: str
    spot_ids: npt.NDArray[np.str_]
    xy_um: Float
    predicted: Prediction
    observed: Targets
    beside: Mapping[str, Targets] = field(default_factory=dict)
    mpp: float | None = None
    regions: npt.NDArray[np.str_] | None = None
    hidden: Hidden | None = None
    features: ImageFeatures | None = None

    def __post_init__(self) -> None:
        """Refuse predictions and observations of different spots or targets."""
        n = len(self.spot_ids)
        check_shape("xy_um", self.xy_um, (n, 2))
        if self.regions is not None:
            check_shape("regions", self.regions, (n,))
        check_rows("observed", self.observed.values, n)
        if self.hidden is not None:
            check_rows("hidden data", self.hidden.truth, n)
        if self.features is not None:
            check_rows("features of generated patches", self.features.generated, n)
        self.predicted.check_against(n, self.observed.names)
        if set(self.beside) != set(self.predicted.beside):
            predicted, seen = sorted(self.predicted.beside), sorted(self.beside)
            raise ShapeError(f"side targets predicted: {predicted}, observed: {seen}.")
        for name, observed in self.beside.items():
            check_rows(f"{name!r} observed", observed.values, n)
            self.predicted.beside[name].check_against(n, observed.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """Statistics of each target over the training spots: all that a metric may know about them.

    Attributes
    ----------
    mean, deviation
        (t,) float64 over all training spots; the deviation is that of the population.
    prevalence
        (t,) float64 share of training spots with the target above zero.
    """

    mean: Float
    deviation: Float
    prevalence: Float

    def take(self, columns: slice) -> Self:
        """Return some of the targets."""
        return replace(
            self, mean=self.mean[columns], deviation=self.deviation[columns], prevalence=self.prevalence[columns]
        )

    @classmethod
    def of(cls, targets: Targets) -> Self:
        """Compute the statistics of (n, t) training targets."""
        values = targets.values.astype(np.float64)
        return cls(mean=values.mean(axis=0), deviation=values.std(axis=0), prevalence=(values > 0).mean(axis=0))
