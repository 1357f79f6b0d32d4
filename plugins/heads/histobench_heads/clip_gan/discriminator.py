"""The projected discriminator: small heads on features of a frozen encoder (``clip_gan.md``, section 4)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histobench_heads.clip_gan.augment import diff_augment
from histobench_heads.clip_gan.features import FrozenFeatures
from histobench_heads.clip_gan.operators import EqualisedLinear

__all__ = ["Discriminator", "Head", "LocalBatchNorm", "SpectralConv"]

_CMAP = 64
_KERNEL = 9
_TOGETHER = 8  # samples per normalisation group
_CROP_PX = 224
_SLOPE = 0.2


class SpectralConv(nn.Module):
    """A circular convolution along places, with weights divided by their largest singular value.

    The singular value is updated by one power iteration in every training pass: (n, i, l) to (n, o, l).
    """

    weight_u: Tensor
    weight_v: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int = 1) -> None:
        super().__init__()
        made = nn.Conv1d(inputs, outputs, kernel)
        self.weight_orig, self.bias = made.weight, made.bias
        self.register_buffer("weight_u", functional.normalize(torch.randn(outputs), dim=0, eps=1e-12))
        self.register_buffer("weight_v", functional.normalize(torch.randn(inputs * kernel), dim=0, eps=1e-12))

    @override
    def forward(self, x: Tensor) -> Tensor:
        matrix = self.weight_orig.flatten(1)
        if self.training:
            with torch.no_grad():
                self.weight_v.copy_(functional.normalize(matrix.T @ self.weight_u, dim=0, eps=1e-12))
                self.weight_u.copy_(functional.normalize(matrix @ self.weight_v, dim=0, eps=1e-12))
        # copies, because the next pass changes the buffers before the gradient of this one is computed
        sigma = torch.dot(self.weight_u.clone(), matrix @ self.weight_v.clone())
        reach = self.weight_orig.shape[2] // 2
        if reach:
            # by index, because torch's circular padding cannot wrap around more than once
            x = x[:, :, torch.arange(-reach, x.shape[2] + reach, device=x.device) % x.shape[2]]
        return functional.conv1d(x, self.weight_orig / sigma, self.bias)


class LocalBatchNorm(nn.Module):
    """Normalise each channel of (n, c, l) over eight consecutive samples, without running statistics."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    @override
    def forward(self, x: Tensor) -> Tensor:
        groups = x.reshape(math.ceil(len(x) / _TOGETHER), -1, *x.shape[1:])
        mean = groups.mean(dim=(1, 3), keepdim=True)
        variance = groups.var(dim=(1, 3), keepdim=True, unbiased=False)
        normed = ((groups - mean) / (variance + 1e-5).sqrt()).flatten(0, 1)
        scaled: Tensor = normed * self.weight[:, None] + self.bias[:, None]
        return scaled


class _Residual(nn.Module):
    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    @override
    def forward(self, x: Tensor) -> Tensor:
        summed: Tensor = (self.fn(x) + x) / math.sqrt(2)
        return summed


class Head(nn.Module):
    """Judge the features of one depth under a condition: (n, c, l) and (n, k) to (n, 1, l)."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.main = nn.Sequential(_block(channels, 1), _Residual(_block(channels, _KERNEL)))
        self.cls = SpectralConv(channels, _CMAP)
        self.cmapper = EqualisedLinear(condition, _CMAP)

    @override
    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        judged = self.cls(self.main(features))
        wanted = self.cmapper(condition)
        logits: Tensor = (judged * wanted[:, :, None]).sum(dim=1, keepdim=True) / math.sqrt(_CMAP)
        return logits


class Discriminator(nn.Module):
    """Judge images under a condition: (n, 3, h, w) in [-1, 1] and (n, k) to (n, logits), one per place and depth.

    Parameters
    ----------
    gain
        Factor of the condition.
    """

    def __init__(self, features: FrozenFeatures, condition: int, *, gain: float = 1.0) -> None:
        super().__init__()
        # in a list, so that the frozen encoder is not part of the state of this module
        self._features = [features]
        self._gain = gain
        self.heads = nn.ModuleDict(
            {str(place): Head(width, condition) for place, width in enumerate(features.widths())}
        )

    @override
    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        seen = self._features[0](_crop(diff_augment(images)))
        logits = [head(maps, condition * self._gain) for head, maps in zip(self.heads.values(), seen, strict=True)]
        return torch.cat(logits, dim=2).flatten(1)


def _block(channels: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(SpectralConv(channels, channels, kernel), LocalBatchNorm(channels), nn.LeakyReLU(_SLOPE))


def _crop(images: Tensor) -> Tensor:
    """Cut, with probability 0.5, one 224-pixel window out of all of larger images (n, 3, h, w)."""
    room = images.shape[-1] - _CROP_PX
    if room <= 0 or float(torch.rand(())) < 0.5:
        return images
    top, left = torch.randint(0, room + 1, (2,)).tolist()
    return images[:, :, top : top + _CROP_PX, left : left + _CROP_PX]
