"""The lightweight hist2scRNA: counts and class from embeddings of a frozen encoder.

Sources as for `histobench_heads.hist2scrna.method`. The differences listed there about counts, classes,
loss and selection hold here too.

Differences from the published method
-------------------------------------
Numbers refer to the table of defects in the specification.

* 4: embeddings are computed and cached by the platform; the published training script feeds images and crashes. The
  encoder is any frozen one; published: any with 2,048 dimensions.
* 5: each spot of a group gets its own row (``pool="mean"`` gives all of them the group's row, as published).
* 6: kept: attention without residual, normalisation or positions (``residual=True``, ``positions=True``). With groups
  of one spot, the default and the published two-dimensional input, attention is a linear layer and nothing is spatial.
* Embeddings are read unchanged. ``standardise=True`` gives each dimension mean 0 and deviation 1 over the training
  spots. Without it nothing is learned from embeddings that hardly vary around a large mean, as those of a network with
  random weights.
* A group is a contiguous part of one slide; published: whatever the loader stacks. Groups with fewer spots than the
  others are in a separate batch.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from histobench import Int, LabelledSamples, Samples
from histobench.training import generator
from histobench_heads.frames.neighbourhoods import contiguous_parts
from histobench_heads.hist2scrna.learning import Blueprint, Truth, losses
from histobench_heads.hist2scrna.method import CountMethod, together
from histobench_heads.hist2scrna.network import Hist2ScrnaLightNetwork, Said
from histobench_heads.hist2scrna.options import Hist2ScrnaLightOptions

__all__ = ["GroupBatch", "Hist2ScrnaLight"]

_WHO = "hist2scrna-light"
_SPOTS_AT_ONCE = 512


class GroupBatch(NamedTuple):
    """Groups with the same number of spots.

    Attributes
    ----------
    embeddings, places
        (b, s, d) float32, and (b, s, 2) positions in spot pitches from the centre of the group.
    truth
        Of the b · s spots, group by group.
    """

    embeddings: Tensor
    places: Tensor
    truth: Truth


class Hist2ScrnaLight(CountMethod[Hist2ScrnaLightOptions, GroupBatch, Hist2ScrnaLightNetwork]):
    """The lightweight model."""

    @override
    def features(self, samples: Samples) -> int:
        return int(samples.need_embeddings(_WHO).shape[1])

    @override
    def make_network(self, blueprint: Blueprint) -> Hist2ScrnaLightNetwork:
        n_genes, n_classes = len(blueprint.genes), len(blueprint.classes)
        return Hist2ScrnaLightNetwork(self.options, blueprint.features, n_genes=n_genes, n_classes=n_classes)

    @override
    def prepare(self, module: Hist2ScrnaLightNetwork, train: LabelledSamples) -> None:
        super().prepare(module, train)
        module.measure(torch.as_tensor(np.asarray(train.need_embeddings(_WHO)), dtype=torch.float32))

    @override
    def batches(self, train: LabelledSamples, truth: Truth, seed: int) -> Callable[[int], Iterator[GroupBatch]]:
        def of_epoch(epoch: int) -> Iterator[GroupBatch]:
            draws = generator(seed, epoch)
            groups = _groups(train, self.options.group, angle=draws.uniform(0, np.pi / 2))
            order = draws.permutation(len(groups))
            for rows in _stacks([groups[i] for i in order], self.options.batch):
                embeddings, places = _load(train, rows)
                yield GroupBatch(embeddings, places, truth.rows(rows.ravel()))

        return of_epoch

    @override
    def losses(self, module: nn.Module, batch: GroupBatch) -> dict[str, Tensor]:
        return losses(self._output(module, batch.embeddings, batch.places), batch.truth, self.options)

    @override
    def say(self, module: Hist2ScrnaLightNetwork, samples: Samples) -> Said:
        device = next(module.parameters()).device
        stacks = list(_stacks(_groups(samples, self.options.group), _SPOTS_AT_ONCE))
        outputs = [self._output(module, *(part.to(device) for part in _load(samples, rows))) for rows in stacks]
        back = np.argsort(np.concatenate([rows.ravel() for rows in stacks]))
        return together(outputs).rows(torch.from_numpy(back))

    def _output(self, module: nn.Module, embeddings: Tensor, places: Tensor) -> Said:
        """Return a row for every spot: its own, or its group's."""
        output: Said = module(embeddings, places)
        if self.options.pool == "mean":
            groups = torch.arange(len(embeddings), device=embeddings.device)
            return output.rows(groups.repeat_interleave(embeddings.shape[1]))
        return output


def _groups(samples: Samples, spots: int, *, angle: float = 0.0) -> list[Int]:
    if spots == 1:
        return list(np.arange(len(samples)).reshape(-1, 1))
    return contiguous_parts(samples, spots, angle=angle)


def _stacks(groups: Sequence[Int], spots: int) -> Iterator[Int]:
    """Yield (b, s) rows of groups of the same length, about ``spots`` spots at a time."""
    for length in sorted({len(group) for group in groups}, reverse=True):
        alike = np.stack([group for group in groups if len(group) == length])
        step = max(1, spots // length)
        for start in range(0, len(alike), step):
            yield alike[start : start + step]


def _load(samples: Samples, rows: Int) -> tuple[Tensor, Tensor]:
    places = samples.array[rows].astype(np.float32)
    embeddings = np.asarray(samples.need_embeddings(_WHO)[rows], dtype=np.float32)
    return torch.from_numpy(embeddings), torch.from_numpy(places - places.mean(axis=1, keepdims=True))
