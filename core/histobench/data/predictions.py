"""What a method says, and what was observed beside it."""

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
    """What a method says of each spot.

    Attributes
    ----------
    names
        (t,) names of the targets.
    values
        (n, t) float32, in the targets' unit. Finite.
    parameters
        Of the distribution that the method predicts, if it does, (n, t) each: ``low`` and ``high``, the ends of an
        interval that should hold 90 % of the observations; ``mean``, ``dispersion`` and ``zero`` of a zero-inflated
        negative binomial over counts.
    beside
        What it predicts beside its targets, by the names of `histobench.data.Auxiliary`: stored and scored beside
        them, never ranked.
    latent
        (n, d) float32, what it makes of each spot on the way, where it is asked to ``enhance``; to be clustered.
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
        with np.errstate(over="ignore"):  # what does not fit is infinite, and refused below
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
            check_rows(f"the prediction of {name!r} beside it", other.values, len(self.values))

    def _check_parameters(self) -> None:
        kept: dict[str, Float] = {}
        for name, values in self.parameters.items():
            check_shape(f"parameter {name!r} of the prediction", values, self.values.shape)
            kept[name] = np.asarray(values, dtype=np.float32)
            check_finite(f"parameter {name!r} of the prediction", self.names, kept[name])
        object.__setattr__(self, "parameters", kept)

    def copy(self) -> Self:
        """Copy every array, so that a method may use its buffers again."""
        return replace(
            self,
            values=self.values.copy(),
            parameters={name: values.copy() for name, values in self.parameters.items()},
            beside={name: other.copy() for name, other in self.beside.items()},
            latent=None if self.latent is None else self.latent.copy(),
        )

    def take(self, rows: Int) -> Self:
        """Keep some spots, in the order given."""
        return replace(
            self,
            values=self.values[rows],
            parameters={name: values[rows] for name, values in self.parameters.items()},
            beside={name: other.take(rows) for name, other in self.beside.items()},
            latent=None if self.latent is None else self.latent[rows],
        )

    def check_against(self, n_spots: int, names: tuple[str, ...]) -> None:
        """Raise ``ShapeError`` unless this predicts exactly these targets at this many spots."""
        if self.values.shape != (n_spots, len(names)):
            raise ShapeError(f"prediction must be ({n_spots}, {len(names)}), got {self.values.shape}.")
        if self.names != names:
            wrong = next((mine, theirs) for mine, theirs in zip(self.names, names, strict=True) if mine != theirs)
            raise ShapeError(f"prediction names {wrong[0]!r} where the task has {wrong[1]!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideResult:
    """What was predicted on one test slide, beside what was observed: enough to compute any metric later.

    Attributes
    ----------
    spot_ids
        (n,) str.
    xy_um
        (n, 2) microns.
    beside
        What was observed of ``predicted.beside``, by the same names. A spot without a label is a row of zeros: no
        score may count it.
    mpp
        Microns per pixel of the slide's full-resolution image, where it is known.
    regions
        (n,) str name of what each spot was annotated as, empty where it was not; ``None`` where the slide has no
        annotation. Metrics may know it, methods never see it.
    hidden
        What was kept from a method that enhances; ``None`` for other tasks.
    features
        Of generated patches and the real ones; ``None`` for other tasks.
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
        """Refuse a prediction of other spots or targets than were observed."""
        n = len(self.spot_ids)
        check_shape("xy_um", self.xy_um, (n, 2))
        if self.regions is not None:
            check_shape("regions", self.regions, (n,))
        check_rows("observed", self.observed.values, n)
        if self.hidden is not None:
            check_rows("what was hidden", self.hidden.truth, n)
        if self.features is not None:
            check_rows("features of generated patches", self.features.generated, n)
        self.predicted.check_against(n, self.observed.names)
        if set(self.beside) != set(self.predicted.beside):
            said, seen = sorted(self.predicted.beside), sorted(self.beside)
            raise ShapeError(f"predicted beside the targets: {said}, observed: {seen}.")
        for name, observed in self.beside.items():
            check_rows(f"{name!r} observed", observed.values, n)
            self.predicted.beside[name].check_against(n, observed.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """What the training spots say of each target: all that a metric may know of the training set.

    Attributes
    ----------
    mean, deviation
        (t,) float64, over all training spots; the deviation is the population's.
    prevalence
        (t,) float64 share of training spots where the target is above zero.
    """

    mean: Float
    deviation: Float
    prevalence: Float

    def take(self, columns: slice) -> Self:
        """Keep some of the targets."""
        return replace(
            self, mean=self.mean[columns], deviation=self.deviation[columns], prevalence=self.prevalence[columns]
        )

    @classmethod
    def of(cls, targets: Targets) -> Self:
        """Measure (n, t) training targets."""
        values = targets.values.astype(np.float64)
        return cls(mean=values.mean(axis=0), deviation=values.std(axis=0), prevalence=(values > 0).mean(axis=0))
