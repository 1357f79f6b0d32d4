"""Encoders in training: all of the encoder, or low-rank adapters on its last blocks.

References
----------
Hu et al. (2022), LoRA, *ICLR*. Rank, scale, dropout and blocks: Yan et al. (2025), CUCA, *Bioinformatics*;
``cuca.md`` of the specifications, "LoRA".
"""

import re
from dataclasses import dataclass

from peft import LoraConfig, inject_adapter_in_model
from torch import nn

from histobench.contracts.protocols import FitContext, TrainableEncoder
from histobench.errors import ConfigError

__all__ = ["PUBLISHED_LORA", "LoraOptions", "tuned_encoder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraOptions:
    """The shape of low-rank adapters; the defaults are CUCA's.

    Attributes
    ----------
    alpha
        The adapters' output is scaled by ``alpha / rank``.
    dropout
        On the adapters' input, while training.
    last_blocks
        Number of last blocks in which every linear layer is adapted.
    """

    rank: int = 8
    alpha: int = 16
    dropout: float = 0.1
    last_blocks: int = 2


PUBLISHED_LORA = LoraOptions()
"""CUCA's adapters."""


def tuned_encoder(context: FitContext, lora: LoraOptions = PUBLISHED_LORA) -> nn.Module:
    """Return the encoder that a fit trains, (n, h, w, 3) uint8 → (n, d); call it under the fit's own seed.

    In mode ``full`` every parameter is trained. In mode ``lora`` every linear layer W of the last blocks becomes
    W x + b + (alpha / rank) B A dropout(x) with A drawn at random and B zero, so that training starts from the
    encoder itself; only A and B are trained.

    Raises
    ------
    ConfigError
        If the context has no encoder, its mode is ``frozen``, the encoder has no linear layer to adapt, or it does not
        support the requested gradient checkpointing.
    """
    if context.encoder is None or context.mode == "frozen":
        have = "no encoder" if context.encoder is None else "a frozen encoder"
        raise ConfigError(f"to train an encoder, mode 'lora' or 'full' and an encoder are needed, got {have}.")
    module = context.encoder.module()
    if context.gradient_checkpointing:
        _checkpoint_gradients(module)
    if context.mode == "full":
        return module.requires_grad_(True)
    targets = _lora_targets(context.encoder, module, lora.last_blocks)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        bias="none",
        # a pattern must match the whole name; a list would match suffixes
        target_modules="|".join(re.escape(name) for name in targets),
    )
    adapted: nn.Module = inject_adapter_in_model(config, module)
    return adapted


def _checkpoint_gradients(module: nn.Module) -> None:
    """Compute the encoder's blocks again in the backward pass, as timm's networks support."""
    networks = [part for part in module.modules() if callable(getattr(part, "set_grad_checkpointing", None))]
    if not networks:
        raise ConfigError("this encoder has no gradient checkpointing; run without it.")
    if any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules()):
        # the second pass would update the running means again, and so change the result
        raise ConfigError("gradient checkpointing would update this encoder's batch statistics twice; run without it.")
    for network in networks:
        network.set_grad_checkpointing(True)  # type: ignore[operator]  # seen to be callable


def _lora_targets(encoder: TrainableEncoder, module: nn.Module, last_blocks: int) -> list[str]:
    targets = list(encoder.lora_targets(last_blocks))
    linear = {name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)}
    if not targets:
        raise ConfigError("this encoder names no linear layer to adapt; use mode 'full' or 'frozen'.")
    unknown = sorted(set(targets) - linear)
    if unknown:
        raise ConfigError(
            f"the encoder asks for adapters on {unknown[0]!r}, which is not a linear layer of its module."
        )
    return targets
