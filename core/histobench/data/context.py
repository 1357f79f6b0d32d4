"""What a metric may use in addition to prediction and observation."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from histobench.data.kinds import Need
from histobench.data.outcomes import Hidden, ImageFeatures
from histobench.data.predictions import TrainingFacts
from histobench.data.types import Float

__all__ = ["ScoreContext"]

_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "interval": ("low", "high"),
    "nb": ("mean", "dispersion"),
    "zinb": ("mean", "dispersion", "zero"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreContext:
    """What a metric whose card has ``needs`` receives in addition to prediction and observation.

    Attributes
    ----------
    names
        (t,) names of the targets.
    slide_ids
        (n,) str; one slide, or several if they are pooled.
    xy_um
        (n, 2) position on the slide in microns.
    mpp
        Microns per pixel of the full-resolution image, if known.
    training
        Statistics of each target over the training spots, if they were kept.
    regions
        (n,) str annotation of each spot, empty if it has none; ``None`` if no test slide is annotated.
    parameters
        Parameters of the predictive distribution, (n, t) each, as in `histobench.Prediction`.
    latent
        (n, d) latent vectors from an enhancing method.
    hidden
        The data that were hidden from an enhancing method.
    features
        Features of generated and of real patches.
    """

    names: tuple[str, ...]
    slide_ids: npt.NDArray[np.str_]
    xy_um: Float
    mpp: float | None = None
    training: TrainingFacts | None = None
    regions: npt.NDArray[np.str_] | None = None
    parameters: Mapping[str, Float] = field(default_factory=dict)
    latent: Float | None = None
    hidden: Hidden | None = None
    features: ImageFeatures | None = None

    def lacks(self, need: Need, /) -> str:
        """Return why a need cannot be met, or nothing if it can; records store the reason."""
        if need in _PARAMETERS:
            absent = [name for name in _PARAMETERS[need] if name not in self.parameters]
            return f"the method predicts no {' and no '.join(absent)}" if absent else ""
        if need == "training" and self.training is None:
            return "nothing is known of the training spots"
        if need == "pixels" and self.mpp is None:
            return "the microns per pixel are not known"
        absent_part = {
            "regions": (self.regions, "the spots are not annotated"),
            "latent": (self.latent, "the method makes no latent of the spots"),
            "hidden": (self.hidden, "nothing was hidden from the method"),
            "oracle": (self.hidden and self.hidden.oracle, "the expression behind the counts is not known"),
            "features": (self.features, "no patches were generated"),
        }
        part, why = absent_part.get(need, (self, ""))
        return why if part is None else ""
