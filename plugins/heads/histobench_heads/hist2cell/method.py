"""Hist2Cell: a ResNet, a graph layer over lattice neighbours and a transformer over all spots of a batch, fused.

Zhao et al. (2024), bioRxiv 2024.02.17.580852; authors' code https://github.com/Weiqin-Zhao/Hist2Cell (MIT), and its
copy in https://github.com/lyotvincent/CUCA (Yan et al. 2025, Bioinformatics; GPL-3.0). Written from the specification
``hist2cell.md`` and sections 2 to 8, 11 and 12 of ``abundance_protocol.md`` alone.

Differences from the published method
-------------------------------------
* A batch is one contiguous part of one slide with its two-hop halo; nearly the published number of steps an epoch, a
  quarter of the patches or fewer. ``faithful=True`` gives the published batches: 16 random spots of all training
  slides with their neighbourhoods as one set, and 16 consecutive rows at a time in prediction. The same seeds give the
  same subgraph, loss and gradients either way; which spots share a batch differs, and with it normalisation and
  attention. Contiguous parts never mix slides, which the published batches do.
* Rows are in file order and predicted one slide at a time; published rows are in the arbitrary order of a set, and a
  faithful batch could there reach into the next test slide.
* The epoch is selected on validation slides, or the last one kept where there are none. The published lung numbers are
  a maximum over epochs on the test donor.
* No final ReLU, as in CUCA's copy, which the comparisons on her2st, stnet and lung ran: trained from scratch, a
  rectified output of a rare type can start below zero everywhere and never get a gradient. ``final_relu=True`` is the
  original.
* 10 epochs, as in CUCA; the original tutorial runs 5.
* A spot that would be alone in its batch is trained with the next one: batch normalisation needs two patches.
* The encoder is any encoder, trained in full, by adapters, or frozen; published: ResNet-18 with ImageNet weights,
  trained in full.
* Dropout masks, order and initialisation come from the job's seed alone; published: one seed before all folds.
* A subgraph of one node keeps its axes; published: squeezed away, and the prediction with them.
* A type that is predicted as a constant is left out of the selection's mean, not a reason to discard the epoch, as the
  original does. Training correlations, published of predictions under dropout, are not computed.
* Kept: no augmentation, and batch normalisation over all nodes of a batch, halo included.
* Donors are those of the split files (A37, A42, A48, A50); the tutorial's text names others.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histobench import (
    DataError,
    FitContext,
    Int,
    LabelledSamples,
    Method,
    Mode,
    Patches,
    Prediction,
    Samples,
    Targets,
)
from histobench.training import Recipe, fit_module, load_weights, mean_pearson, save_weights, seeded
from histobench.training.adapters import tuned_encoder
from histobench_heads.frames.neighbourhoods import Batching, Subgraph, lattice_links
from histobench_heads.frames.saved import read_facts, write_facts
from histobench_heads.hist2cell.network import Hist2CellNetwork
from histobench_heads.hist2cell.options import Hist2CellOptions

__all__ = ["Hist2Cell", "batching", "load_batch", "loss_over_nodes"]

_WEIGHTS = "weights.safetensors"
_WHO = "hist2cell"

Batch = dict[str, Tensor]
"""``images`` (m, h, w, 3) uint8 or (m, d) float32, ``edges`` (2, e) int64, ``targets`` (m, t) float32."""


class Hist2Cell(Method):
    """Predict each spot from its patch, its neighbours within two hops and the other spots of its batch."""

    def __init__(self, options: Hist2CellOptions) -> None:
        self.options = options
        self._names: tuple[str, ...] = ()
        self._dim = 0
        self._mode: Mode = "frozen"
        self._seed = 0
        self._module: Hist2CellNetwork | None = None

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        if len(train) < 2:
            raise DataError(f"hist2cell needs at least two training spots, got {len(train)}: add slides.")
        self._names = train.targets.names
        self._mode, self._seed = context.mode, context.seed
        images = _images(train, context.mode)
        self._dim = context.encoder.dim if context.encoder is not None else images[:1].shape[1]
        self._module = self._build(context)
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
        if self._module is None:
            raise DataError("hist2cell has learned nothing yet: call fit or load before predict.")
        parts = batching(samples, self.options).prediction()
        values = _predict(self._module, _images(samples, self._mode), parts)
        return Prediction(names=self._names, values=values.numpy())

    @override
    def save(self, folder: Path) -> None:
        if self._module is None:
            raise DataError("hist2cell has learned nothing yet: call fit before save.")
        write_facts(folder, {"names": self._names, "dim": self._dim, "seed": self._seed})
        save_weights(self._module, folder / _WEIGHTS)

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        facts = read_facts(folder)
        self._names, self._dim, self._seed = tuple(facts["names"]), int(facts["dim"]), int(facts["seed"])
        self._mode = context.mode
        module = self._build(context)
        load_weights(module, folder / _WEIGHTS)
        self._module = module.to(context.device).eval()

    def _build(self, context: FitContext) -> Hist2CellNetwork:
        # under the seed of the fit, also in `load`: random weights beneath adapters are drawn again, not saved
        with seeded(self._seed):
            return Hist2CellNetwork(
                nn.Identity() if context.mode == "frozen" else tuned_encoder(context),
                self._dim,
                n_targets=len(self._names),
                depth=self.options.depth,
                dropout=self.options.dropout,
                final_relu=self.options.final_relu,
            )


class _Selection:
    """Scores a module by mean Pearson on validation slides; each spot counts once, where it is a seed."""

    def __init__(self, val: LabelledSamples, images: Patches, options: Hist2CellOptions) -> None:
        self._images = images
        self._parts = list(batching(val, options).prediction())
        self._observed = torch.as_tensor(val.targets.values, dtype=torch.float32)

    def __call__(self, module: nn.Module) -> float:
        return mean_pearson(_predict(module, self._images, self._parts), self._observed)


def batching(samples: Samples, options: Hist2CellOptions, /) -> Batching:
    """Say which spots share a step: neighbours are those that touch on the lattice."""
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

    The halo holds training spots only: it weighs spots by their number of neighbours and leaks nothing.
    """
    predicted = module(batch["images"], batch["edges"])
    return {"loss": functional.mse_loss(predicted, batch["targets"])}


@torch.no_grad()
def _predict(module: nn.Module, images: Patches, parts: Iterable[Subgraph]) -> Tensor:
    """Predict the (n, t) targets of all spots, on the CPU; each in the batch in which it is a seed."""
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
    """Give what the backbone is shown of every spot: its patch, or its embedding by a frozen encoder."""
    return samples.need_embeddings(_WHO) if mode == "frozen" else samples.need_patches(_WHO)
