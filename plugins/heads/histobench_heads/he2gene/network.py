"""The network of HE2Gene: an encoder that is trained, and three linear heads."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from typing_extensions import override

from histobench import Float
from histobench_heads.frames.normalisation import PixelStatistics

__all__ = ["He2GeneNetwork", "He2GeneOutput"]


class He2GeneOutput(NamedTuple):
    """The outputs of the heads.

    Attributes
    ----------
    targets
        (m, t) of all spots.
    others
        (n, g) of the first n; g is 0 without such a head.
    label
        (n, c) logits of the first n: one for tumour, or one per class; c is 0 without such a head.
    """

    targets: Tensor
    others: Tensor
    label: Tensor


class He2GeneNetwork(nn.Module):
    """Map (m, h, w, 3) patches in 0 … 255 to a `He2GeneOutput`; expression has no activation and may be negative.

    Parameters
    ----------
    features
        Width of the encoder's embedding: 2048 for ResNet-50.
    n_others, n_labels
        Outputs of the other two heads; 0 for no such head.
    pixels
        Statistics for the normalisation; ``None`` for those of the encoder.
    """

    def __init__(
        self,
        backbone: nn.Module,
        features: int,
        *,
        n_targets: int,
        n_others: int,
        n_labels: int,
        pixels: PixelStatistics | None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.pixels = pixels
        self.target = nn.Linear(features, n_targets)
        self.aux = nn.Linear(features, n_others) if n_others else None
        self.tumour = nn.Linear(features, n_labels) if n_labels else None

    def start_at(self, targets: Float, others: Float | None) -> None:
        """Set the biases of the two gene heads to (t,) and (g,) means."""
        with torch.no_grad():
            self.target.bias.copy_(torch.as_tensor(targets))
            if self.aux is not None and others is not None:
                self.aux.bias.copy_(torch.as_tensor(others))

    @override
    def forward(self, patches: Tensor, n_seeds: int | None = None) -> He2GeneOutput:
        """Encode all patches in one pass; only the head of the targets reads more than the first ``n_seeds``."""
        images = patches if self.pixels is None else self.pixels(patches, self.backbone)
        features = self.backbone(images)
        seeds = features[:n_seeds]
        none = seeds[:, :0]
        return He2GeneOutput(
            targets=self.target(features),
            others=none if self.aux is None else self.aux(seeds),
            label=none if self.tumour is None else self.tumour(seeds),
        )
