"""The elementary operators of StyleGAN-G, in plain torch (``clip_gan.md``, section 3.1); no custom kernel is needed."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

__all__ = [
    "FIR",
    "Activation",
    "EqualisedLinear",
    "bias_act",
    "blur",
    "modulated_conv",
    "normalise_moment",
    "resize_area",
    "upfirdn",
    "upsample",
]

Activation = Literal["linear", "lrelu"]
"""Leaky ReLU has slope 0.2."""

FIR: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0)
"""Taps of the separable filter of up- and downsampling, to be divided by their sum."""

_GAINS: dict[str, float] = {"linear": 1.0, "lrelu": math.sqrt(2)}
_SLOPE = 0.2


class EqualisedLinear(nn.Module):
    """A linear layer with weights scaled at run time, so that all learn at the same rate: (n, i) to (n, o).

    Parameters
    ----------
    lr_multiplier
        Factor of the optimiser's learning rate.
    weight_init
        Deviation of the scaled weights, times the root of the number of inputs.
    bias_init
        One number, or one per output.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        activation: Activation = "linear",
        lr_multiplier: float = 1.0,
        weight_init: float = 1.0,
        bias_init: float | Sequence[float] = 0.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * (weight_init / lr_multiplier))
        self.bias = nn.Parameter(torch.zeros(outputs) + torch.as_tensor(bias_init) / lr_multiplier)
        self._activation: Activation = activation
        self._weight_gain = lr_multiplier / math.sqrt(inputs)
        self._bias_gain = lr_multiplier

    @override
    def forward(self, vectors: Tensor) -> Tensor:
        linear = vectors @ (self.weight * self._weight_gain).T
        return bias_act(linear, self.bias * self._bias_gain, activation=self._activation)


def bias_act(
    x: Tensor, bias: Tensor, *, activation: Activation, gain: float | None = None, clamp: float | None = None
) -> Tensor:
    """Add a bias to each channel of (n, c, ...), then activate, scale and clamp, in this order.

    Parameters
    ----------
    gain
        ``None`` for the default of the activation: 1 for ``linear``, √2 for ``lrelu``.
    clamp
        Largest absolute value of a result.
    """
    y = x + bias.view(1, -1, *[1] * (x.ndim - 2))
    if activation == "lrelu":
        y = functional.leaky_relu(y, _SLOPE)
    y = y * (_GAINS[activation] if gain is None else gain)
    return y if clamp is None else y.clamp(-clamp, clamp)


def upfirdn(
    images: Tensor, taps: Tensor, *, up: int = 1, down: int = 1, padding: tuple[int, int] = (0, 0), gain: float = 1.0
) -> Tensor:
    """Insert zeros between the pixels of (n, c, h, w), pad, filter by the outer product of the taps, and downsample.

    Parameters
    ----------
    up
        Each pixel is followed by ``up - 1`` zeros.
    down
        Every ``down``-th pixel is kept, the first included.
    padding
        Zeros before and after, in both axes.
    """
    n, c, h, w = images.shape
    if up > 1:
        spread = images.new_zeros(n, c, h, up, w, up)
        spread[:, :, :, 0, :, 0] = images
        images = spread.reshape(n, c, h * up, w * up)
    before, after = padding
    padded = functional.pad(images, (before, after, before, after))
    kernel = torch.outer(taps, taps).flip(0, 1).to(images.dtype) * (gain / float(taps.sum()) ** 2)
    return functional.conv2d(padded, kernel.expand(c, 1, *kernel.shape), stride=down, groups=c)


def upsample(images: Tensor) -> Tensor:
    """Double the sides of (n, c, h, w); pixels outside the image are zero, unlike in a bilinear resize."""
    return upfirdn(images, images.new_tensor(FIR), up=2, padding=(2, 1), gain=4.0)


def modulated_conv(
    x: Tensor, weight: Tensor, style: Tensor, *, demodulate: bool = True, up: bool = False, fused: bool = False
) -> Tensor:
    """Convolve (n, i, h, w) with weights (o, i, k, k), with inputs scaled by a style (n, i) per image.

    Parameters
    ----------
    demodulate
        Scale each output so that inputs of unit variance give one of unit variance.
    up
        Double the sides: first the transposed convolution, then the filter; the other order gives other outermost
        pixels.
    fused
        Scale the weights and convolve each image with its own, instead of scaling inputs and outputs; equal up to
        rounding.
    """
    if fused:
        own = weight[None] * style[:, None, :, None, None]
        if demodulate:
            own = own * (own.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
        y = _convolve(x.flatten(0, 1)[None], own, up=up)
        y = y.reshape(len(x), len(weight), *y.shape[2:])
    else:
        y = _convolve(x * style[:, :, None, None], weight[None], up=up)
    if up:
        y = upfirdn(y, y.new_tensor(FIR), padding=(1, 1), gain=4.0)
    if demodulate and not fused:
        power = style.square() @ weight.square().sum(dim=(2, 3)).T
        y = y * (power + 1e-8).rsqrt()[:, :, None, None]
    convolved: Tensor = y
    return convolved


def _convolve(x: Tensor, weights: Tensor, *, up: bool) -> Tensor:
    """Convolve the channels of x in g groups, with weights (g, o, i, k, k)."""
    groups, _, _, k, _ = weights.shape
    if up:
        return functional.conv_transpose2d(x, weights.transpose(1, 2).flatten(0, 1), stride=2, groups=groups)
    return functional.conv2d(x, weights.flatten(0, 1), padding=k // 2, groups=groups)


def blur(images: Tensor, sigma: float) -> Tensor:
    """Blur (n, c, h, w) by taps 2^-(k/σ)² for k up to 3 σ, with zeros outside; the identity below σ = 1/3."""
    reach = math.floor(3 * sigma)
    if reach == 0:
        return images
    places = torch.arange(-reach, reach + 1, dtype=torch.float32, device=images.device)
    taps = torch.exp2(-((places / sigma) ** 2))
    taps = (taps / taps.sum()).to(images.dtype)
    c = images.shape[1]
    across = functional.conv2d(images, taps.expand(c, 1, 1, -1), padding=(0, reach), groups=c)
    return functional.conv2d(across, taps[:, None].expand(c, 1, -1, 1), padding=(reach, 0), groups=c)


def normalise_moment(vectors: Tensor) -> Tensor:
    """Scale (n, d) to a mean square of one."""
    return vectors * (vectors.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def resize_area(images: Tensor, side: int) -> Tensor:
    """Resize (n, c, h, w) to a square by averaging areas, both up and down."""
    return images if images.shape[-2:] == (side, side) else functional.adaptive_avg_pool2d(images, side)
