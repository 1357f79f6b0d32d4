"""What a method says, and what was observed beside it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from histobench.data._checks import check_finite, check_rows, check_shape, check_table
from histobench.data.tables import Targets
from histobench.data.types import Float
from histobench.errors import ShapeError

__all__ = ["Prediction", "SlideResult"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a method says of each spot.

    Attributes
    ----------
    names
        (t,) names of the targets.
    values
        (n, t) float32, in the targets' unit. Finite.
    """

    names: tuple[str, ...]
    values: Float

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
    """

    slide_id: str
    spot_ids: npt.NDArray[np.str_]
    xy_um: Float
    predicted: Prediction
    observed: Targets

    def __post_init__(self) -> None:
        """Refuse a prediction of other spots or targets than were observed."""
        n = len(self.spot_ids)
        check_shape("xy_um", self.xy_um, (n, 2))
        check_rows("observed", self.observed.values, n)
        self.predicted.check_against(n, self.observed.names)
