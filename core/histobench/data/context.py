"""What a metric may know beside prediction and observation."""

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
    """What a metric whose card has ``needs`` is given beside prediction and observation.

    Attributes
    ----------
    names
        (t,) names of the targets.
    slide_ids
        (n,) str; one slide, or several where they are pooled.
    xy_um
        (n, 2) microns on each spot's slide.
    mpp
        Microns per pixel of the full-resolution image, where it is known.
    training
        What the training spots say of each target, where it was kept.
    regions
        (n,) str name of each spot's annotation, empty where it has none; ``None`` where no test slide is annotated.
    parameters
        Of the predictive distribution, (n, t) each, as in `histobench.Prediction`.
    latent
        (n, d) what an enhancing method makes of each spot.
    hidden
        What was kept from a method that enhances.
    features
        Of generated patches and of the real ones.
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
        """Say why a need cannot be met; empty where it is."""
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
