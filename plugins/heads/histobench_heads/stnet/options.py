"""The options of ST-Net and where their defaults come from; no import here is heavy.

The defaults are those of He et al. (2020) for gene expression; `CUCAS_SETTINGS` are those of CUCA's comparison, which
uses the network for cell abundance.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from histobench_heads.frames.checks import at_least
from histobench_heads.frames.spotwise.options import SpotOptions

__all__ = ["CUCAS_SETTINGS", "StNetOptions"]

CUCAS_SETTINGS: Mapping[str, Any] = {  # Any: values of options
    "loss": "rmse",  # stnet, Loss: adaptation
    "lr": 1e-2,  # stnet, Defaults: adaptation
    "weight_decay": 1e-4,  # stnet, Defaults: adaptation
    "augment": False,  # stnet, Inputs: adaptation
    "average": False,  # stnet, Inputs: adaptation
    "start_at_mean": False,  # stnet, Architecture: adaptation
    "statistics": "encoder",  # stnet, Inputs: adaptation
    "selection": "pearson",  # stnet, Defaults: adaptation
}
"""Option → value of the adaptation to cell abundance; a baseline of its own, with a learning rate 10⁴ times higher."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StNetOptions(SpotOptions):
    """Options of ST-Net's training and of its prediction of a test patch.

    Attributes
    ----------
    loss
        ``sum``: squared error, averaged over targets and summed over the batch, so that the step grows with the batch.
        ``mse``: averaged over both; ``rmse``: its square root.
    augment
        Show each training patch in one of its eight symmetries, drawn anew every epoch.
    average
        Predict a test patch as the mean over its eight symmetries.
    start_at_mean
        Start the last layer at weight zero and the mean of the training targets as bias.
    statistics
        Normalise pixels by the channels of the ``training`` patches, or as the ``encoder`` was pretrained.
    selection
        Choose the epoch by the smallest total squared ``error`` on the validation slides, or by ``pearson``'s r.
    patch_px, window_px
        Side of the patch given to the network, and of the window read from the full-resolution image for it.
    """

    epochs: int = 50  # stnet, Defaults
    batch: int = 32  # stnet, Defaults
    lr: float = 1e-6  # stnet, Defaults
    weight_decay: float = 0.0  # stnet, Defaults
    schedule: Literal["onecycle", "cosine", "step", "constant"] = "constant"  # stnet, Defaults
    loss: Literal["sum", "mse", "rmse"] = "sum"  # stnet, Loss
    augment: bool = True  # stnet, Inputs
    average: bool = True  # stnet, Inputs
    start_at_mean: bool = True  # stnet, Architecture
    statistics: Literal["training", "encoder"] = "training"  # stnet, Inputs
    selection: Literal["error", "pearson"] = "error"  # stnet, Defaults: on inner folds
    patch_px: int = 224  # stnet, Inputs
    window_px: int = 224  # stnet, Inputs; published ablations 128, 299, 512, and 448 and 896 reduced to 224

    def __post_init__(self) -> None:
        """Refuse a patch or window without pixels."""
        SpotOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        at_least(self, 1, "patch_px", "window_px")
