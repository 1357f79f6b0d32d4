"""Options of CUCA and CUCAMLP; no import here is heavy.

Numbers marked *cuca* are the published ones, from the specification of Yan et al. (2025).
"""

from dataclasses import dataclass
from typing import Literal

from histobench import ConfigError
from histobench_heads.spotwise.options import ProjectorOptions

__all__ = ["MOLECULAR_WIDTHS", "Alignment", "CucaOptions"]

Alignment = Literal["rmse", "kl", "infonce"]
"""How the image latent is pulled towards the molecular one; published runs use ``rmse``."""

MOLECULAR_WIDTHS = {256: (1024, 1024, 256), 512: (1024, 1024, 512), 1024: (1024, 1024, 1024)}
"""Width of the projection → widths of the molecular encoder (cuca, Architecture 4); no other is defined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CucaOptions(ProjectorOptions):
    """Options of CUCA, and of CUCAMLP where the encoder is frozen.

    Attributes
    ----------
    weight_main, weight_reconstruction, weight_alignment
        Weights of the three losses; differ by dataset and mode (see the card).
    align_before_relu
        Align the image latent before its last ReLU, so that both latents are signed (CUCA only; CUCAMLP has no such
        ReLU). Published: after it.
    rmse_epsilon
        Added inside the root of every RMSE, whose gradient is NaN at zero error. Published: nothing.
    half_precision_features
        Replicates a published defect of CUCAMLP as nearly as stored embeddings allow: those that are trained on are
        rounded to half precision, those that are predicted from are not.
    """

    weight_main: float = 0.3  # cuca, Loss: her2st and humanlung, encoder trained
    weight_reconstruction: float = 0.6  # cuca, Loss: her2st and humanlung, encoder trained
    weight_alignment: float = 0.1  # cuca, Loss: all datasets
    alignment: Alignment = "rmse"  # cuca, Loss
    align_before_relu: bool = False  # cuca, Known defects: kept as published
    rmse_epsilon: float = 0.0  # cuca, Known defects: kept as published
    half_precision_features: bool = False  # published: True; a defect (cuca, Known defects)

    def __post_init__(self) -> None:
        """Refuse what the architecture does not define."""
        ProjectorOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        if self.projection not in MOLECULAR_WIDTHS:
            known = ", ".join(map(str, MOLECULAR_WIDTHS))
            raise ConfigError(f"projection must be one of {known}, got {self.projection}.")
        if self.rmse_epsilon < 0:
            raise ConfigError(f"rmse_epsilon must not be negative, got {self.rmse_epsilon}.")
