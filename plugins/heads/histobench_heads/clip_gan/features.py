"""Features from several depths of a frozen encoder, the input of the discriminator (``clip_gan.md``, section 4)."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from typing_extensions import override

from histobench import ConfigError
from histobench_heads.clip_gan.operators import resize_area

__all__ = ["FrozenFeatures", "Tap", "choose_taps", "to_patches"]

_MOST_STAGES = 5
_QUARTERS = 4


class Tap(NamedTuple):
    """Where features are taken.

    Attributes
    ----------
    layer
        The module of which the output, or the input, is taken.
    before
        True to take its input.
    prefix
        Number of tokens before those of the image; the first, the class token, is added to each image token.
    channels_last
        True for maps of (n, h, w, c).
    """

    layer: nn.Module
    before: bool = False
    prefix: int = 0
    channels_last: bool = False


def choose_taps(module: nn.Module) -> list[Tap]:
    """Choose where the features of an encoder are taken.

    For a vision transformer: after the blocks at the end of four equal parts (2, 5, 8 and 11 of 12), and before the
    first, as published. For a convolutional network or Swin of timm: its last five stages. For any other: the ends of
    four equal parts of its longest list of modules.

    Raises
    ------
    ConfigError
        If it has no list of modules.
    """
    for part in module.modules():
        blocks = getattr(part, "blocks", None)
        if isinstance(blocks, nn.Sequential | nn.ModuleList) and getattr(part, "cls_token", None) is not None:
            prefix = int(getattr(part, "num_prefix_tokens", 1))
            first = Tap(blocks[0], before=True, prefix=prefix)
            return [*(Tap(blocks[k], prefix=prefix) for k in _ends(len(blocks))), first]
        stages = getattr(part, "feature_info", None)
        if stages:
            last = getattr(part, "output_fmt", "NCHW") == "NHWC"
            names = [str(stage["module"]) for stage in stages][-_MOST_STAGES:]
            return [Tap(part.get_submodule(name), channels_last=last) for name in names]
    lists = [part for part in module.modules() if isinstance(part, nn.ModuleList | nn.Sequential) and len(part)]
    if not lists:
        raise ConfigError(
            f"the discriminator needs inner features of its encoder, and {type(module).__name__!r} has no list of "
            f"modules to take them from; use another encoder."
        )
    longest = max(lists, key=len)
    return [Tap(longest[k]) for k in _ends(len(longest))]


class FrozenFeatures(nn.Module):
    """Map images (n, 3, h, w) in [-1, 1] to feature maps (n, c, l), one per tap; only the image gets gradients.

    Parameters
    ----------
    encoder
        Maps (n, s, s, 3) in 0 … 255 to (n, d); frozen, and always in evaluation mode.
    side
        Side to which images are resized for it, in pixels.
    """

    def __init__(self, encoder: nn.Module, side: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.side = side
        self._taps = choose_taps(encoder)
        self._seen: dict[int, Tensor] = {}

    def widths(self) -> list[int]:
        """Count the channels of each tap, on one blank image."""
        device = next(self.encoder.parameters()).device
        with torch.no_grad():
            return [maps.shape[1] for maps in self(torch.zeros(1, 3, self.side, self.side, device=device))]

    @override
    def train(self, mode: bool = True) -> "FrozenFeatures":
        return super().train(False)

    @override
    def forward(self, images: Tensor) -> list[Tensor]:
        hooks = [
            tap.layer.register_forward_pre_hook(partial(self._keep_input, place))
            if tap.before
            else tap.layer.register_forward_hook(partial(self._keep_output, place))
            for place, tap in enumerate(self._taps)
        ]
        self.encoder(to_patches(images, self.side))
        for hook in hooks:
            hook.remove()
        seen = [_as_sequence(self._seen[place], tap) for place, tap in enumerate(self._taps)]
        self._seen.clear()
        return seen

    def _keep_input(self, place: int, _layer: nn.Module, given: Sequence[Tensor]) -> None:
        self._seen[place] = given[0]

    def _keep_output(self, place: int, _layer: nn.Module, _given: object, output: Tensor) -> None:
        self._seen[place] = output


def to_patches(images: Tensor, side: int) -> Tensor:
    """Turn (n, 3, h, w) in [-1, 1] into (n, side, side, 3) in 0 … 255, as an encoder reads them; areas are averaged."""
    return resize_area((images + 1) * 127.5, side).permute(0, 2, 3, 1)


def _ends(n: int) -> list[int]:
    """List where each of four equal parts of n blocks ends; fewer if there are fewer blocks."""
    return sorted({max(round((k + 1) * n / _QUARTERS) - 1, 0) for k in range(_QUARTERS)})


def _as_sequence(features: Tensor, tap: Tap) -> Tensor:
    """Reshape the features of a tap to (n, c, l), with places row by row."""
    if features.ndim == 2:
        return features[:, :, None]
    if features.ndim == 3:
        tokens = features[:, tap.prefix :]
        return (tokens + features[:, :1] if tap.prefix else tokens).transpose(1, 2)
    return features.permute(0, 3, 1, 2).flatten(2) if tap.channels_last else features.flatten(2)
