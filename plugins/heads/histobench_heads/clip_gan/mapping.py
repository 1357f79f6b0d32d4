"""The mapping network: from noise and condition to the modulation of the synthesis (``clip_gan.md``, section 3.2)."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histobench_heads.clip_gan.operators import EqualisedLinear, normalise_moment

__all__ = ["MLP_WIDTH", "Z_DIM", "ExpressionMlp", "Mapping"]

Z_DIM = 64
"""Width of the noise."""

MLP_WIDTH = 768
"""Width of the condition from `ExpressionMlp`."""

_LR_MULTIPLIER = 0.01
_KEEP = 0.995  # share of the running mean that is kept


class ExpressionMlp(nn.Module):
    """An encoder trained with the generator, in place of CLIP's: (n, N) expression to (n, 768) of length 1."""

    def __init__(self, n_genes: int, *, hidden: int = 1024, width: int = MLP_WIDTH, dropout: float = 0.4) -> None:
        super().__init__()
        first = nn.Sequential(nn.Dropout(dropout), nn.Linear(n_genes, hidden), nn.BatchNorm1d(hidden), nn.PReLU())
        self.network = nn.Sequential(first, nn.Linear(hidden, width))

    @override
    def forward(self, expression: Tensor) -> Tensor:
        return functional.normalize(self.network(expression), dim=1, eps=1e-12)


class _Layers(nn.Module):
    """Two layers with a hundredth of the learning rate."""

    def __init__(self, z_dim: int) -> None:
        super().__init__()
        self.fc0 = EqualisedLinear(z_dim, z_dim, activation="lrelu", lr_multiplier=_LR_MULTIPLIER)
        self.fc1 = EqualisedLinear(z_dim, z_dim, lr_multiplier=_LR_MULTIPLIER)

    @override
    def forward(self, z: Tensor) -> Tensor:
        mapped: Tensor = self.fc1(self.fc0(z))
        return mapped


class Mapping(nn.Module):
    """Map noise (n, z) and append the condition (n, c) unchanged: (n, z + c).

    Parameters
    ----------
    encoder
        From expression to the condition, if the generator trains its own encoder.
    """

    x_avg: Tensor

    def __init__(self, z_dim: int = Z_DIM, encoder: nn.Module | None = None) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.mlp = _Layers(z_dim)
        self.register_buffer("x_avg", torch.zeros(z_dim))
        if encoder is not None:
            self.c_encoder = encoder

    @override
    def forward(self, z: Tensor, condition: Tensor | None = None, *, truncation: float = 1.0) -> Tensor:
        """Map; in training the running mean is updated.

        Parameters
        ----------
        truncation
            ψ: below 1, results are moved towards the running mean. The condition is never truncated.
        """
        x: Tensor = self.mlp(normalise_moment(z))
        if self.training:
            with torch.no_grad():
                self.x_avg.lerp_(x.detach().mean(dim=0).to(self.x_avg.dtype), 1 - _KEEP)
        if truncation != 1:
            x = self.x_avg + truncation * (x - self.x_avg)
        return x if condition is None else torch.cat([x, condition], dim=1)
