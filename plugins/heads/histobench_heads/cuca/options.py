"""Options of CUCA and CUCAMLP; no import here is heavy.

Numbers marked *cuca* are the published ones, from the specification of Yan et al. (2025).
"""

from dataclasses import dataclass
from typing import Literal

from histobench import ConfigError
from histobench_heads.frames.checks import not_negative
from histobench_heads.frames.spotwise.options import AdapterOptions, ProjectorOptions

__all__ = ["MOLECULAR_WIDTHS", "Alignment", "CompanionOptions", "CucaMlpOptions", "CucaOptions"]

Alignment = Literal["rmse", "kl", "infonce"]
"""How the image latent is pulled towards the molecular one; published runs use ``rmse``."""

MOLECULAR_WIDTHS = {256: (1024, 1024, 256), 512: (1024, 1024, 512), 1024: (1024, 1024, 1024)}
"""Width of the projection → widths of the molecular encoder (cuca, Architecture 4); no other is defined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanionOptions(ProjectorOptions):
    """Options shared by CUCA and CUCAMLP: the losses of the image branch and of the molecular branch.

    Attributes
    ----------
    weight_main, weight_reconstruction, weight_alignment
        Weights of the three losses; differ by method and dataset (see the cards).
    rmse_epsilon
        Added inside the root of every RMSE, whose gradient is NaN at zero error. Published: 0.
    """

    weight_main: float = 0.3  # cuca, Loss: her2st and humanlung
    weight_reconstruction: float = 0.6  # cuca, Loss: her2st and humanlung
    weight_alignment: float = 0.1  # cuca, Loss: all datasets
    alignment: Alignment = "rmse"  # cuca, Loss
    rmse_epsilon: float = 0.0  # cuca, Known defects: kept as published

    def __post_init__(self) -> None:
        """Refuse a negative epsilon."""
        ProjectorOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        not_negative(self, "rmse_epsilon")


@dataclass(frozen=True, slots=True, kw_only=True)
class CucaOptions(AdapterOptions, CompanionOptions):
    """Options of CUCA.

    Attributes
    ----------
    align_before_relu
        Align the image latent before its last ReLU, so that both latents are signed. Published: after it.
    """

    align_before_relu: bool = False  # cuca, Known defects: kept as published

    def __post_init__(self) -> None:
        """Refuse widths that the architecture does not define."""
        CompanionOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        self.check_adapters()
        if self.projection not in MOLECULAR_WIDTHS:
            known = ", ".join(map(str, MOLECULAR_WIDTHS))
            raise ConfigError(f"projection must be one of {known}, got {self.projection}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CucaMlpOptions(CompanionOptions):
    """Options of CUCAMLP, with other weights of the losses.

    Attributes
    ----------
    half_precision_features
        Replicates a published defect as far as stored embeddings allow: training embeddings are rounded to half
        precision, test embeddings are not.
    """

    weight_main: float = 0.7  # cuca, Loss: CUCAMLP on her2st
    weight_reconstruction: float = 0.2  # cuca, Loss: CUCAMLP on her2st
    half_precision_features: bool = False  # published: True; a defect (cuca, Known defects)

    def __post_init__(self) -> None:
        """Refuse a width that differs from the fixed width of the molecular latent."""
        CompanionOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        if self.projection != 512:
            raise ConfigError(f"the projection of CUCAMLP must be 512, got {self.projection}.")
