"""Encoders that a generator learns through: frozen, and open to gradients."""

from torch import nn

from histobench import ConfigError, TrainableEncoder
from histobench.training import seeded

__all__ = ["frozen_module"]

_WEIGHTS_SEED = 0  # of an encoder without weights: every encoder draws those of its frozen form from seed 0


def frozen_module(encoder: TrainableEncoder, device: str) -> nn.Module:
    """Make an encoder's module, frozen: its own weights, or those that its frozen form draws.

    Raises
    ------
    ConfigError
        If it is no network, through which gradients could reach the patch.
    """
    if not hasattr(encoder, "module"):
        raise ConfigError(
            f"a generator learns from what a network sees in its patches, and {type(encoder).__name__} is none: name "
            f"another with --encoders, such as resnet18.random."
        )
    with seeded(_WEIGHTS_SEED):
        return encoder.module().eval().requires_grad_(False).to(device)
