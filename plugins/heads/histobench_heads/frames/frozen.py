"""Frozen encoders through which a generator is trained: gradients reach the patch."""

from torch import nn

from histobench import ConfigError, TrainableEncoder
from histobench.training import seeded

__all__ = ["frozen_module"]

_WEIGHTS_SEED = 0  # of an encoder without weights: every encoder draws those of its frozen form from seed 0


def frozen_module(encoder: TrainableEncoder, device: str) -> nn.Module:
    """Return an encoder's module, frozen, with the weights of its frozen form.

    Raises
    ------
    ConfigError
        If it is not a network through which gradients reach the patch.
    """
    if not hasattr(encoder, "module"):
        raise ConfigError(
            f"a generator is trained through the network that sees its patches, and {type(encoder).__name__} is not a "
            f"network: choose another with --encoders, such as resnet18.random."
        )
    with seeded(_WEIGHTS_SEED):
        return encoder.module().eval().requires_grad_(False).to(device)
