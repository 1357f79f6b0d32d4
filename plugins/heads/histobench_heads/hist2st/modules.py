"""The parts of Hist2ST before and after its transformer.

Written from the specification ``hist2st.md`` of Zeng et al. (2022), Briefings in Bioinformatics.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histobench_heads.frames.slidewise.slides import scaled
from histobench_heads.hist2st.options import Hist2STOptions

__all__ = ["ConvMixer", "GraphLayer", "JumpingKnowledge", "PatchEmbedding", "neighbour_mean", "neighbour_most"]


class PatchEmbedding(nn.Conv2d):
    """Cut a patch into squares and embed each; ``original`` inputs have columns first, as in the authors' code."""

    def __init__(self, options: Hist2STOptions) -> None:
        super().__init__(3, options.channels, options.stride, stride=options.stride)
        self.inputs = options.inputs

    @override
    def forward(self, patches: Tensor) -> Tensor:
        """Turn (n, p, p, 3) uint8 into (n, c, s, s) maps."""
        values = scaled(patches, self.inputs)
        return super().forward(values.transpose(2, 3) if self.inputs == "original" else values)


class ConvMixer(nn.Module):
    """Mix within each channel, with a residual connection; then mix the channels, without one."""

    def __init__(self, channels: int, *, kernel: int) -> None:
        super().__init__()

        def depthwise() -> nn.Conv2d:
            return nn.Conv2d(channels, channels, kernel, groups=channels, padding="same")

        self.dw = nn.Sequential(
            depthwise(), nn.BatchNorm2d(channels), nn.GELU(), depthwise(), nn.BatchNorm2d(channels), nn.GELU()
        )
        self.pw = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.GELU(), nn.BatchNorm2d(channels))

    @override
    def forward(self, maps: Tensor) -> Tensor:
        """Transform (n, c, s, s); normalised over all spots and pixels together."""
        out: Tensor = self.pw(self.dw(maps) + maps)
        return out


class GraphLayer(nn.Module):
    """Aggregate the neighbours of each spot, without itself; transform, rectify, and scale to length 1."""

    def __init__(self, dim: int, *, policy: Literal["mean", "max"]) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(dim, dim)))
        self.summary = neighbour_mean if policy == "mean" else neighbour_most

    @override
    def forward(self, nodes: Tensor, edges: Tensor) -> Tensor:
        """Turn (n, dim) and (2, e) edges, source and target, into (n, dim)."""
        transformed = functional.linear(self.summary(nodes, edges), self.weight)
        return functional.normalize(functional.relu(transformed), eps=1e-12)


class JumpingKnowledge(nn.Module):
    """Read the outputs of the graph layers in sequence with an LSTM and average its outputs."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(dim, dim, 2)

    @override
    def forward(self, *layers: Tensor) -> Tensor:
        """Turn (n, dim) of each layer into (n, dim)."""
        outputs: Tensor = self.lstm(torch.stack(layers))[0]
        return outputs.mean(dim=0)


def neighbour_mean(nodes: Tensor, edges: Tensor) -> Tensor:
    """Average each spot's neighbours: (n, d) and (2, e) to (n, d); zero for a spot without any."""
    source, target = edges
    counts = torch.bincount(target, minlength=len(nodes)).clamp(min=1)
    return torch.zeros_like(nodes).index_add(0, target, nodes[source]) / counts.to(nodes.dtype)[:, None]


def neighbour_most(nodes: Tensor, edges: Tensor) -> Tensor:
    """Take the maximum over each spot's neighbours: (n, d) and (2, e) to (n, d); zero for a spot without any."""
    source, target = edges
    place = target[:, None].expand(-1, nodes.shape[1])
    return torch.zeros_like(nodes).scatter_reduce(0, place, nodes[source], "amax", include_self=False)
