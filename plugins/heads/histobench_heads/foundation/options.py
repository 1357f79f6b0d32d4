"""Options of the heads on foundation models; no import here is heavy.

Numbers marked *foundation_heads* are the published ones, from the specification of these heads of Yan et al. (2025).
"""

from dataclasses import dataclass
from typing import Literal

from histobench_heads.frames.spotwise.options import AdapterOptions, ProjectorOptions, SpotOptions

__all__ = ["FmMlpOptions", "LinearOptions", "Loss", "MlpOptions"]

Loss = Literal["rmse", "mse", "l1", "pearson"]
"""What is minimised (protocol, section 5); published runs use ``rmse``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearOptions(SpotOptions):
    """Options of LinearProbing."""

    loss: Loss = "rmse"  # foundation_heads, Loss and defaults


@dataclass(frozen=True, slots=True, kw_only=True)
class MlpOptions(ProjectorOptions):
    """Options of MLP."""

    loss: Loss = "rmse"  # foundation_heads, Loss and defaults


@dataclass(frozen=True, slots=True, kw_only=True)
class FmMlpOptions(AdapterOptions, MlpOptions):
    """Options of FMMLP: those of MLP, and of the encoder that it holds."""

    def __post_init__(self) -> None:
        """Refuse what either would."""
        MlpOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        self.check_adapters()
