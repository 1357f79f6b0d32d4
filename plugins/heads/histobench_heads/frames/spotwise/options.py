"""Options shared by the methods that read single spots; no import here is heavy.

Numbers marked *protocol* and *cuca* are the published ones, from the specifications of the training protocol and the
architecture of Yan et al. (2025).
"""

from dataclasses import dataclass
from typing import Literal

from histobench import ConfigError
from histobench_heads.frames.checks import at_least, positive, shares

__all__ = ["AdapterOptions", "ProjectorOptions", "SpotOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotOptions:
    """How a module that reads single spots is trained: the protocol shared by LinearProbing, MLP and CUCA.

    Attributes
    ----------
    epochs
        Passes over the training spots.
    batch
        Spots in a step; an incomplete last batch is dropped in training.
    lr
        Peak learning rate.
    weight_decay
        L2 added to the gradient of every trained parameter.
    schedule
        See `histobench.training.Recipe`.
    accumulate
        Batches whose gradients make one step.
    drop_last_in_validation
        Replicates a published defect: the tail of the validation spots that fills no batch is ignored in selection.
    """

    epochs: int = 100  # protocol, section 6
    batch: int = 128  # protocol, section 4
    lr: float = 2e-3  # protocol, section 6
    weight_decay: float = 1e-4  # protocol, section 6
    schedule: Literal["onecycle", "cosine", "step", "constant"] = "onecycle"  # protocol, section 6
    accumulate: int = 1  # protocol: none
    drop_last_in_validation: bool = False  # published: True; a defect (protocol, section 11.2)

    def __post_init__(self) -> None:
        """Refuse numbers that no training can use."""
        at_least(self, 1, "epochs", "accumulate")
        positive(self, "lr")
        if self.batch < 2:
            raise ConfigError(f"batch must be at least 2, because of batch normalisation, got {self.batch}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectorOptions(SpotOptions):
    """The projector between encoder and regression.

    Attributes
    ----------
    hidden, projection
        Widths of the projector.
    dropout
        Share of the hidden units dropped in training.
    """

    hidden: int = 512  # cuca, Architecture; foundation_heads, Architectures
    projection: int = 512  # cuca, Architecture; foundation_heads, Architectures
    dropout: float = 0.25  # cuca, Architecture; foundation_heads, Architectures
    batch_norm: bool = True  # cuca, Architecture; foundation_heads, Architectures

    def __post_init__(self) -> None:
        """Refuse impossible widths and shares."""
        SpotOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        at_least(self, 1, "hidden", "projection")
        shares(self, "dropout")


@dataclass(frozen=True, kw_only=True)  # no slots: it is a second base of options that have them
class AdapterOptions:
    """How a method trains the encoder that it contains; a second base next to `ProjectorOptions`.

    Attributes
    ----------
    lora_rank, lora_alpha, lora_dropout, lora_last_blocks
        Adapters of mode ``lora``; see `histobench.training.adapters.LoraOptions`.
    patch_px
        Side of the patch given to an encoder that is trained.
    """

    lora_rank: int = 8  # cuca, LoRA
    lora_alpha: int = 16  # cuca, LoRA
    lora_dropout: float = 0.1  # cuca, LoRA
    lora_last_blocks: int = 2  # cuca, LoRA
    patch_px: int = 224  # protocol, section 2

    def check_adapters(self) -> None:
        """Refuse adapters without a width and patches without a pixel.

        Raises
        ------
        ConfigError
            Naming the option.
        """
        at_least(self, 1, "lora_rank", "lora_last_blocks", "patch_px")
        shares(self, "lora_dropout")
