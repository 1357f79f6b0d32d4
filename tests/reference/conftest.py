"""The deterministic fill rule of the specifications (abundance_protocol.md, section 12)."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn


def _fill(module: nn.Module) -> nn.Module:
    for name, parameter in module.named_parameters():
        phase = sum(map(ord, name)) % 97
        wave = np.sin(0.7 * np.arange(parameter.numel(), dtype=np.float64) + phase)
        if parameter.ndim >= 2:
            values = wave / np.sqrt(parameter.numel() / parameter.shape[0])
        else:
            values = 0.1 * wave + (1.0 if name.endswith(("weight", "gamma")) else 0.0)
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(values.reshape(parameter.shape).astype(np.float32)))
    return module.eval()


def _wave(*shape: int, frequency: float = 0.01) -> Tensor:
    flat = np.sin(frequency * np.arange(np.prod(shape), dtype=np.float64))
    return torch.from_numpy(flat.reshape(shape).astype(np.float32))


def _summary(values: Tensor) -> list[float]:
    values = values.detach()
    return [*values[0, :4].tolist(), values[-1, -1].item(), values.mean().item(), values.std(correction=0).item()]


def _count(module: nn.Module, *, trained: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trained)


@pytest.fixture(scope="session")
def rule() -> SimpleNamespace:
    """``fill(module)``, ``wave(*shape)``, ``summary(output)``: y[0, 0..3], y[-1, -1], mean, sd; ``count(module)``."""
    tools: dict[str, Callable[..., object]] = {"fill": _fill, "wave": _wave, "summary": _summary, "count": _count}
    return SimpleNamespace(**tools)
