"""Omni-dimensional dynamic convolution: every patch is convolved with its own kernel.

From the average colour of a patch, gates compute how the candidate kernels are mixed and how their input channels,
positions and filters are weighted.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["CANDIDATES", "KERNEL_PX", "DynamicConvolution", "map_side"]

CANDIDATES = 4
"""Number of kernels that are mixed to the kernel of a patch."""

KERNEL_PX = 4
"""Side of a kernel."""

_CHANNELS = 3
_CONTEXT = 16  # max(3 / 16, 16): the published reduction has no effect at three channels


def map_side(patch_px: int, stride: int, /) -> int:
    """Return the side of the map of a patch."""
    return (patch_px - KERNEL_PX) // stride + 1


class _Gates(nn.Module):
    """Map (n, 3) average colours to the four gates of each patch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(_CHANNELS, _CONTEXT, 1, bias=False)
        self.bn = nn.BatchNorm2d(_CONTEXT)
        self.channel_fc = nn.Conv2d(_CONTEXT, _CHANNELS, 1)
        self.filter_fc = nn.Conv2d(_CONTEXT, width, 1)
        self.spatial_fc = nn.Conv2d(_CONTEXT, KERNEL_PX**2, 1)
        self.kernel_fc = nn.Conv2d(_CONTEXT, CANDIDATES, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, colours: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return (n, 3) channel, (n, w) filter, (n, 16) position and (n, 4) candidate weights."""
        context = functional.relu(self.bn(self.fc(colours[:, :, None, None])))
        channel, filters, position, candidate = (
            layer(context).flatten(1) for layer in (self.channel_fc, self.filter_fc, self.spatial_fc, self.kernel_fc)
        )
        return channel.sigmoid(), filters.sigmoid(), position.sigmoid(), candidate.softmax(dim=1)


class DynamicConvolution(nn.Module):
    """Convolve each patch with its own kernel, without padding or bias.

    Parameters
    ----------
    width
        Output channels w.
    stride
        Step of the kernel, in pixels.

    References
    ----------
    Li, Zhou & Yao (2022), Omni-dimensional dynamic convolution, ICLR.
    """

    def __init__(self, width: int, *, stride: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(CANDIDATES, width, _CHANNELS, KERNEL_PX, KERNEL_PX))
        self.attention = _Gates(width)
        self._stride = stride
        for candidate in self.weight:
            nn.init.kaiming_normal_(candidate, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Turn (n, 3, p, p) images into (n, w, s, s) maps."""
        unfolded = functional.unfold(images, KERNEL_PX, stride=self._stride)
        convolved = self._kernels(images.mean(dim=(2, 3))) @ unfolded
        side = map_side(images.shape[-1], self._stride)
        maps: Tensor = convolved.reshape(*convolved.shape[:2], side, side)
        return maps

    def _kernels(self, colours: Tensor) -> Tensor:
        """Mix the (w, 48) kernel of every patch, with all gates applied."""
        # the kernel of a patch depends on other patches only through the batch normalisation of the gates
        channel, filters, position, candidate = self.attention(colours)
        mixed = torch.einsum("nk,kwcp->nwcp", candidate, self.weight.flatten(3))
        gates = filters[:, :, None, None] * channel[:, None, :, None] * position[:, None, None, :]
        kernels: Tensor = (mixed * gates).flatten(2)
        return kernels
