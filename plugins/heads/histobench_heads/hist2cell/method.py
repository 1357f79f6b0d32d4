"""Hist2Cell: a ResNet, a graph layer over lattice neighbours and a transformer over all spots of a batch, fused.

Zhao et al. (2024), bioRxiv 2024.02.17.580852; authors' code https://github.com/Weiqin-Zhao/Hist2Cell (MIT), and its
copy in https://github.com/lyotvincent/CUCA (Yan et al. 2025, Bioinformatics; GPL-3.0). Written from the specification
``hist2cell.md`` and sections 2 to 8, 11 and 12 of ``abundance_protocol.md`` alone.

Differences from the published method
-------------------------------------
* A batch is one contiguous part of one slide with its two-hop halo: nearly the published number of steps per epoch with
  a quarter of the patches or fewer. ``faithful=True`` gives the published batches: 16 random spots of all training
  slides with their neighbourhoods as one set, and 16 consecutive rows at a time in prediction. The same seed spots give
  the same subgraph, loss and gradients either way. Which spots share a batch differs, and with it normalisation and
  attention. Contiguous parts never mix slides; the published batches do.
* Rows are in file order and predicted one slide at a time. Published rows are in the arbitrary order of a set, so that
  a published batch could reach into the next test slide.
* The epoch is selected on validation slides; without any, the last one is kept. The published lung numbers are a
  maximum over epochs on the test donor.
* No final ReLU, as in CUCA's copy, which made the comparisons on her2st, stnet and lung: trained from scratch, the
  rectified output of a rare type can start below zero everywhere and never get a gradient. ``final_relu=True`` is the
  original.
* 10 epochs, as in CUCA; the original tutorial runs 5.
* A spot that would be alone in its batch is trained with the next batch: batch normalisation needs two patches.
* The encoder is any encoder, trained in full, with adapters, or frozen; published: ResNet-18 with ImageNet weights,
  trained in full.
* Dropout masks, order and initialisation depend on the job's seed alone; published: one seed before all folds.
* A subgraph of one node keeps its axes; published: they are squeezed away, and the prediction with them.
* A type that is predicted as a constant is left out of the mean of the selection; the original discards the epoch.
  Training correlations, which are published for predictions under dropout, are not computed.
* Kept: no augmentation, and batch normalisation over all nodes of a batch, including the halo.
* Donors are those of the split files (A37, A42, A48, A50); the tutorial's text names others.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histobench import DataError, FitContext, Int, LabelledSamples, Mode, Patches, Prediction, Samples, Targets
from histobench.training import Recipe, fit_module, mean_pearson, seeded
from histobench.training.adapters import tuned_encoder
from histobench_heads.frames.neighbourhoods import Batching, Subgraph, lattice_links
from histobench_heads.frames.single_module import ModuleMethod
from histobench_heads.hist2cell.network import Hist2CellNetwork
from histobench_heads.hist2cell.options import Hist2CellOptions

__all__ = ["Hist2Cell", "batching", "load_batch", "loss_over_nodes"]

_WHO = "hist2cell"

Batch = dict[str, Tensor]
"""``images`` (m, h, w, 3) uint8 or (m, d) float32, ``edges`` (2, e) int64, ``targets`` (m, t) float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """What the network is made from, in addition to the options; saved with its weights.

    Attributes
    ----------
    names
        Of the targets.
    dim
        Width of the embedding.
    seed
        Of the fit; `load` draws random weights below adapters again, because they are not saved.
    """

    names: tuple[str, ...]
    dim: int
    seed: int


class Hist2Cell(ModuleMethod[Blueprint, Hist2CellNetwork]):
    """Predict each spot from its patch, its neighbours within two hops and the other spots of its batch."""

    blueprint_type = Blueprint

    def __init__(self, options: Hist2CellOptions) -> None:
        super().__init__()
        self.options = options
        self._mode: Mode = "frozen"

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        if len(train) < 2:
            raise DataError(f"hist2cell needs at least two training spots, got {len(train)}: add slides.")
        images = _images(train, context.mode)
        dim = context.encoder.dim if context.encoder is not None else images[:1].shape[1]
        self._blueprint = Blueprint(names=train.targets.names, dim=dim, seed=context.seed)
        self._module = self.build(self._blueprint, context)
        parts = batching(train, self.options)

        def batches(epoch: int) -> Iterator[Batch]:
            return (load_batch(images, train.targets, part) for part in parts.training(context.seed, epoch))

        fit_module(
            self._module,
            loss_over_nodes,
            batches,
            recipe=Recipe(
                epochs=self.options.epochs,
                lr=self.options.lr,
                weight_decay=self.options.weight_decay,
                schedule="cosine",
            ),
            context=context,
            validate=None if val is None else _Selection(val, _images(val, context.mode), self.options),
        )

    @override
    def predict(self, samples: Samples) -> Prediction:
        blueprint, module = self._made()
        parts = batching(samples, self.options).prediction()
        values = _predict(module, _images(samples, self._mode), parts)
        return Prediction(names=blueprint.names, values=values.numpy())

    @override
    def build(self, blueprint: Blueprint, context: FitContext) -> Hist2CellNetwork:
        self._mode = context.mode
        with seeded(blueprint.seed):
            return Hist2CellNetwork(
                nn.Identity() if context.mode == "frozen" else tuned_encoder(context),
                blueprint.dim,
                n_targets=len(blueprint.names),
                depth=self.options.depth,
                dropout=self.options.dropout,
                final_relu=self.options.final_relu,
            )


class _Selection:
    """Score a module by mean Pearson on validation slides; each spot counts once, in the batch where it is a seed."""

    def __init__(self, val: LabelledSamples, images: Patches, options: Hist2CellOptions) -> None:
        self._images = images
        self._parts = list(batching(val, options).prediction())
        self._observed = torch.as_tensor(val.targets.values, dtype=torch.float32)

    def __call__(self, module: nn.Module) -> float:
        return mean_pearson(_predict(module, self._images, self._parts), self._observed)


def batching(samples: Samples, options: Hist2CellOptions, /) -> Batching:
    """Return which spots share a step; neighbours are adjacent on the lattice."""
    return Batching(
        samples=samples,
        links=lattice_links(samples),
        hops=options.hops,
        part_spots=options.seeds_per_batch if options.faithful else options.part_spots,
        at_random=options.faithful,
    )


def load_batch(images: Patches, targets: Targets, part: Subgraph, /) -> Batch:
    """Read what one step needs: each node's patch or embedding once, (2, e) edges, and (m, t) targets of m nodes."""
    return {
        "images": _read(images, part),
        "edges": torch.from_numpy(part.edges),
        "targets": torch.as_tensor(targets.values[part.nodes], dtype=torch.float32),
    }


def loss_over_nodes(module: nn.Module, batch: Batch, /) -> dict[str, Tensor]:
    """Compute the mean squared error over all nodes of a batch, seeds and halo alike, as published.

    The halo has training spots only. It weights spots by their number of neighbours and leaks nothing.
    """
    predicted = module(batch["images"], batch["edges"])
    return {"loss": functional.mse_loss(predicted, batch["targets"])}


@torch.no_grad()
def _predict(module: nn.Module, images: Patches, parts: Iterable[Subgraph]) -> Tensor:
    """Predict the (n, t) targets of all spots, on the CPU; each spot in the batch where it is a seed."""
    device = next(module.parameters()).device
    rows: list[Int] = []
    predicted: list[Tensor] = []
    for part in parts:
        values = module(_read(images, part).to(device), torch.from_numpy(part.edges).to(device))
        rows.append(part.nodes[: part.n_seeds])
        predicted.append(values[: part.n_seeds].float().cpu())
    back = torch.from_numpy(np.argsort(np.concatenate(rows)))
    return torch.cat(predicted)[back]


def _read(images: Patches, part: Subgraph) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images[part.nodes]))


def _images(samples: Samples, mode: Mode) -> Patches:
    """Return the input of the backbone for every spot: its patch, or its embedding by a frozen encoder."""
    return samples.need_embeddings(_WHO) if mode == "frozen" else samples.need_patches(_WHO)
