"""How HE2Gene reads samples: the patches of a step, each once, and the validation spots."""

from typing import Any

import numpy as np
import torch
from torch import nn

from histobench import LabelledSamples, Patches, UInt8
from histobench_heads.frames.neighbourhoods import Subgraph
from histobench_heads.he2gene.batches import BLACK
from histobench_heads.he2gene.labels import Annotation
from histobench_heads.he2gene.losses import Batch
from histobench_heads.he2gene.windows import middle

__all__ = ["SPOTS_AT_ONCE", "WHO", "Loader", "Middle", "Selection"]

WHO = "he2gene"
"""The method's name in messages."""

SPOTS_AT_ONCE = 64
"""Spots that are processed together in prediction."""


class Loader:
    """Read the input of a step: each patch of a subgraph once."""

    def __init__(self, patches: Patches, train: LabelledSamples, annotation: Annotation, patch_px: int) -> None:
        self._patches, self._patch_px = patches, patch_px
        others = train.beside.get("other_genes")
        self._targets = train.targets.values
        self._others = np.zeros((len(train), 0), np.float32) if others is None else others.values
        self._annotation = annotation

    def __call__(self, part: Subgraph) -> Batch:
        """Read the m patches and n targets of one step."""
        seeds = part.nodes[: part.n_seeds]
        exists = part.nodes != BLACK
        patches = torch.as_tensor(self._patches[np.where(exists, part.nodes, seeds[0])])
        patches = middle(patches, self._patch_px).clone()
        patches[torch.from_numpy(~exists)] = 0
        return Batch(
            patches=patches,
            targets=torch.as_tensor(self._targets[seeds]),
            others=torch.as_tensor(self._others[seeds]),
            label=torch.as_tensor(self._annotation.values[seeds]),
            labelled=torch.as_tensor(self._annotation.labelled[seeds]),
            edges=torch.from_numpy(part.edges),
        )


class Middle:
    """Patches cut to the window of the main size from wider ones."""

    def __init__(self, patches: Patches, patch_px: int) -> None:
        self._patches, self._patch_px = patches, patch_px

    def __len__(self) -> int:
        return len(self._patches)

    def __getitem__(self, rows: Any, /) -> UInt8:  # Any: any numpy index of rows
        cut: UInt8 = middle(torch.as_tensor(self._patches[rows]), self._patch_px).numpy()
        return cut


class Selection:
    """Score a network by the error of the predicted genes over all validation spots, without augmentation."""

    def __init__(self, val: LabelledSamples, patch_px: int) -> None:
        self._patches = Middle(val.need_patches(WHO), patch_px)
        self._observed = torch.as_tensor(val.targets.values)

    def __call__(self, module: nn.Module) -> float:
        """Return the negative mean squared error; higher is better."""
        device = next(module.parameters()).device
        error = 0.0
        for start in range(0, len(self._observed), SPOTS_AT_ONCE):
            rows = np.arange(start, min(start + SPOTS_AT_ONCE, len(self._observed)))
            predicted = module(torch.as_tensor(self._patches[rows]).to(device), 0).targets.float().cpu()
            error += float(((predicted - self._observed[rows]).double() ** 2).sum())
        return -error / self._observed.numel()
