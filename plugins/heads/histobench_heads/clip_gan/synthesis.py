"""The synthesis network: from modulation to an image (``clip_gan.md``, section 3.3); names as in section 3.4."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from typing_extensions import override

from histobench_heads.clip_gan.operators import EqualisedLinear, bias_act, modulated_conv, upsample

__all__ = ["FourierInput", "NoiseMode", "Synthesis", "SynthesisShape"]

NoiseMode = Literal["random", "const", "none"]
"""Fresh noise, noise that was drawn once for all images, or none."""

LayerRole = Literal["up", "plain", "residual"]
"""The part of a layer in its block."""

_FIRST_PX = 8
_BANDWIDTH = 2.0
_CLAMP = 256.0
_LAYER_SCALE = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisShape:
    """What a synthesis network is built from.

    Attributes
    ----------
    w_dim
        Width of the modulation.
    image_px
        Side of the image, a power of two from 8 up.
    channel_base, channel_max
        A block at side r has min(base // r, max) channels.
    res_blocks
        Pairs of a plain and a residual layer in each block.
    groups
        Groups of the normalisation; they must divide every number of channels.
    """

    w_dim: int
    image_px: int
    channel_base: int = 32768
    channel_max: int = 512
    res_blocks: int = 2
    groups: int = 32

    @property
    def sides(self) -> tuple[int, ...]:
        """Sides of the blocks, in pixels."""
        return tuple(_FIRST_PX << k for k in range(int(math.log2(self.image_px / _FIRST_PX)) + 1))

    def channels(self, side: int) -> int:
        """Count the channels of the block of this side."""
        return min(self.channel_base // side, self.channel_max)


class StyleSplit(nn.Module):
    """Modulation of the second order: (n, w) to (n, i) as m1 ⊙ m2 + m3; initially 2."""

    def __init__(self, w_dim: int, channels: int) -> None:
        super().__init__()
        self.proj = EqualisedLinear(w_dim, 3 * channels, bias_init=1.0)

    @override
    def forward(self, w: Tensor) -> Tensor:
        first, second, third = self.proj(w).chunk(3, dim=1)
        style: Tensor = first * second + third
        return style


class FourierInput(nn.Module):
    """Waves of fixed frequencies, rotated and shifted by the modulation: (n, w) to (n, c, 8, 8)."""

    freqs: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, w_dim: int, channels: int) -> None:
        super().__init__()
        drawn = torch.randn(channels, 2)
        radius = drawn.norm(dim=1, keepdim=True)
        self.register_buffer("freqs", _BANDWIDTH * drawn / (radius * radius.square().exp().pow(0.25)))
        self.register_buffer("phases", torch.rand(channels) - 0.5)
        self.register_buffer("transform", torch.eye(3))
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = EqualisedLinear(w_dim, 4, weight_init=0.0, bias_init=(1.0, 0.0, 0.0, 0.0))

    @override
    def forward(self, w: Tensor) -> Tensor:
        turned = self._transforms(w)
        phases = self.phases + (self.freqs @ turned[:, :2, 2:]).squeeze(2)
        freqs = self.freqs @ turned[:, :2, :2]
        amplitudes = 1 - (freqs.norm(dim=2) - _BANDWIDTH) / (_FIRST_PX / 2 - _BANDWIDTH)
        places = (torch.arange(_FIRST_PX, device=w.device) * 2 + 1) / _FIRST_PX / 2 - 0.5
        along = freqs[:, :, 0, None, None] * places + freqs[:, :, 1, None, None] * places[:, None]
        waves = torch.sin(2 * math.pi * (along + phases[:, :, None, None]))
        waves = waves * amplitudes.clamp(0, 1)[:, :, None, None]
        mixed: Tensor = torch.einsum("nihw,oi->nohw", waves, self.weight) / math.sqrt(len(self.weight))
        return mixed

    def _transforms(self, w: Tensor) -> Tensor:
        """Combine rotation, shift and the user's transform: (n, 3, 3)."""
        t: Tensor = self.affine(w)
        t = t / t[:, :2].norm(dim=1, keepdim=True)
        zero, one = torch.zeros_like(t[:, 0]), torch.ones_like(t[:, 0])
        turn = torch.stack([t[:, 0], -t[:, 1], zero, t[:, 1], t[:, 0], zero, zero, zero, one], dim=1)
        shift = torch.stack([one, zero, -t[:, 2], zero, one, -t[:, 3], zero, zero, one], dim=1)
        return turn.view(-1, 3, 3) @ shift.view(-1, 3, 3) @ self.transform


class SynthesisLayer(nn.Module):
    """A modulated 3 × 3 convolution with noise: (n, i, h, w) to (n, o, h, w), or twice the sides.

    Parameters
    ----------
    role
        The first layer of a block doubles the sides; the others are pairs of a plain and a residual one, whose input is
        normalised.
    groups
        Of that normalisation.
    """

    noise_const: Tensor

    def __init__(self, inputs: int, outputs: int, *, w_dim: int, side: int, role: LayerRole, groups: int) -> None:
        super().__init__()
        self.affine = StyleSplit(w_dim, inputs)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(side, side))
        self._role = role
        self._gain = 1.0 if role == "up" else math.sqrt(0.5)
        if role == "residual":
            self.gamma = nn.Parameter(torch.full((1, outputs, 1, 1), _LAYER_SCALE))
            self.norm = nn.GroupNorm(groups, outputs, eps=1e-5)

    @override
    def forward(self, x: Tensor, w: Tensor, *, noise: NoiseMode) -> Tensor:
        if self._role == "residual":
            x = self.norm(x)
        y = modulated_conv(x, self.weight, self.affine(w), up=self._role == "up", fused=not self.training)
        if noise == "random":
            y = y + torch.randn_like(y[:, :1]) * self.noise_strength
        elif noise == "const":
            y = y + self.noise_const * self.noise_strength
        y = bias_act(y, self.bias, activation="lrelu", gain=math.sqrt(2) * self._gain, clamp=_CLAMP * self._gain)
        return (self.gamma * y + x) * math.sqrt(2) if self._role == "residual" else y


class ToRgb(nn.Module):
    """A modulated 1 × 1 convolution to colours, without demodulation: (n, i, h, w) to (n, 3, h, w)."""

    def __init__(self, inputs: int, w_dim: int) -> None:
        super().__init__()
        self.affine = StyleSplit(w_dim, inputs)
        self.weight = nn.Parameter(torch.randn(3, inputs, 1, 1) * 0.1)
        self.bias = nn.Parameter(torch.zeros(3))

    @override
    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.affine(w) / math.sqrt(self.weight.shape[1])
        y = modulated_conv(x, self.weight, style, demodulate=False, fused=not self.training)
        return bias_act(y, self.bias, activation="linear", clamp=_CLAMP)


class SynthesisBlock(nn.Module):
    """All layers of one side; the first block begins with waves, all others with an upsampling layer."""

    def __init__(self, side: int, shape: SynthesisShape) -> None:
        super().__init__()
        channels = shape.channels(side)
        if side == _FIRST_PX:
            self.input = FourierInput(shape.w_dim, channels)
        else:
            before = shape.channels(side // 2)
            self.conv0 = SynthesisLayer(before, channels, role="up", w_dim=shape.w_dim, side=side, groups=shape.groups)
        roles: tuple[LayerRole, ...] = ("plain", "residual") * shape.res_blocks
        self.convs1 = nn.ModuleList(
            SynthesisLayer(channels, channels, role=role, w_dim=shape.w_dim, side=side, groups=shape.groups)
            for role in roles
        )
        self.torgb = ToRgb(channels, shape.w_dim)

    @override
    def forward(
        self, x: Tensor | None, image: Tensor | None, ws: Iterator[Tensor], *, noise: NoiseMode
    ) -> tuple[Tensor, Tensor]:
        """Compute features and image from those of half the side; every layer reads the next of ``ws``."""
        x = self.input(next(ws)) if x is None else self.conv0(x, next(ws), noise=noise)
        for layer in self.convs1:
            x = layer(x, next(ws), noise=noise)
        rgb: Tensor = self.torgb(x, next(ws))
        return x, rgb if image is None else upsample(image) + rgb


class Synthesis(nn.Module):
    """Blocks of growing side, with images that are summed: (n, layers, w) to (n, 3, s, s), nominally in [-1, 1]."""

    def __init__(self, shape: SynthesisShape) -> None:
        super().__init__()
        self.sides = shape.sides
        self.layers_per_block = 1 + 2 * shape.res_blocks
        self.num_ws = len(self.sides) * self.layers_per_block + 1
        for side in self.sides:
            self.add_module(f"b{side}", SynthesisBlock(side, shape))

    @override
    def forward(self, ws: Tensor, *, noise: NoiseMode = "random") -> Tensor:
        """Draw images; the last w of a block, for its colours, is also the first of the next block."""
        x = image = None
        for place, side in enumerate(self.sides):
            first = place * self.layers_per_block
            own = ws[:, first : first + self.layers_per_block + 1].unbind(dim=1)
            x, image = self.get_submodule(f"b{side}")(x, image, iter(own), noise=noise)
        if image is None:
            raise ValueError("a synthesis network must have at least one block.")
        drawn: Tensor = image.float()
        return drawn
