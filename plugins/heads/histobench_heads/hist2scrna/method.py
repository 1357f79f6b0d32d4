"""hist2scRNA: counts as zero-inflated negative binomials and the cell class, from patches and their neighbours.

Mondol et al., https://github.com/raktim-mondol/hist2RNA, folder ``hist2scRNA`` (2025, MIT; it has no paper of its own,
the bulk model's is Cancers 15:2569, 2023). Written from ``hist2scrna.md`` and ``expression_protocol.md`` alone. Neither
a checkpoint nor a result on real data is published. The scores in the README cannot come from the model and are not
reproduced.

Differences from the published method
-------------------------------------
Numbers refer to the table of defects in the specification.

* 1: a batch is a contiguous part with everything within two hops, and the loss is taken on the part; prediction uses
  the whole graph of a slide. Published: only links within 8 random spots, so that predictions depend on the batch
  (``graph_batch="upstream"``).
* 2, 3: slides are split by patient and only held-out slides are predicted; the platform has no other way.
* 4, 5, 6, see `histobench_heads.hist2scrna.light`.
* 7: only training patches are augmented.
* 8: the graph can be left out (``graph=False``), and ``patch_px`` is the side of both patch and network.
* 9: the mean of the counts, including zeros, is predicted (``point="mu"`` is published).
* 10: ln μ and ln θ are clamped and the likelihood never takes the logarithm of an exponential (``zinb="upstream"``).
* 11: ``size_offset=True`` trains μ per library size; published, and default: depth is learned like any other signal.
* 12: links go both ways (``direction="to_neighbours"`` is published). Distances are measured in whole microns.
* 13: a spot without links, or a model without any, attends to itself.
* 14: the README names scripts and a module that do not exist; here the platform's commands ``run``, ``score`` and
  ``results`` take their place, and the synthetic dataset that of the dummy data.
* 15: a checkpoint is read as the dictionary that it is (`histobench_heads.hist2scrna.published`).
* 16: the README's scores are quoted nowhere. 17: the published generator is left out; its counts are not the intended
  ones and its images carry no information about them.
* 18: patch tokens and coordinates are unused, as published.
* Counts are those of the fold's panel, not of 2,000 genes. The prediction is in the unit of the panel: the mean of
  ln(1 + 10,000 · counts / T) under the ZINB. T is the mean library size of the training spots, because that of a test
  spot is unknown. The logarithm of the mean (``logarithm="log_of_mean"``) is larger than the mean of the logarithm, by
  0.5 on sparse counts, and worse than the mean control in squared error. ``Prediction.beside`` has the counts
  themselves, estimated as set by ``point``, and their ZINB.
* ``start_at_mean`` starts every gene at its training mean; published, and default: at one count.
* Counts must be whole numbers; other values are refused, whereas the published code fits ZINB to logarithms.
* The class is optional: spots without one have no cross-entropy. If classes are the target there are no counts and the
  cross-entropy is the whole loss.
* The epoch is selected by the loss over all validation spots at once; published: averaged over batches. Without
  validation slides the last epoch is kept, and the learning rate follows the training loss.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from typing_extensions import override

from histobench import FitContext, Int, LabelledSamples, Patches, Prediction, Samples
from histobench.data.graphs import adjacency, nearest_edges
from histobench.training import ColourJitter, Recipe, fit_module, jitter_colours, seeded, turn_at_random
from histobench_heads.frames.neighbourhoods import Batching, Subgraph, grow
from histobench_heads.frames.single_module import ModuleMethod
from histobench_heads.frames.zinb import Zinb
from histobench_heads.hist2scrna.learning import Blueprint, Truth, draw_up, losses, to_prediction
from histobench_heads.hist2scrna.network import CountNetwork, Hist2ScrnaNetwork, Said
from histobench_heads.hist2scrna.options import CountOptions, Hist2ScrnaOptions

__all__ = ["Batch", "CountMethod", "Hist2Scrna", "batching", "links", "load_batch", "loss_on_seeds", "together"]

OptionsT = TypeVar("OptionsT", bound=CountOptions)
BatchT = TypeVar("BatchT")
NetworkT = TypeVar("NetworkT", bound=CountNetwork)

_WHO = "hist2scrna"
_PATCHES_AT_ONCE = 64
_HOPS = 2  # as many as there are graph layers

_JITTER = ColourJitter(brightness=0.1, contrast=0.1, saturation=0.1, hue=0.05, share=0.5)  # spec, section 2.2
_TURNS = (0.625, 0.125, 0.125, 0.125)  # spec, section 2.2: with p = 0.5 by an angle drawn from 0, 90, 180 and 270


class CountMethod(ModuleMethod[Blueprint, NetworkT], Generic[OptionsT, BatchT, NetworkT]):
    """The frame of both models: what they learn from, how they are optimised, and what they predict."""

    blueprint_type = Blueprint

    def __init__(self, options: OptionsT) -> None:
        super().__init__()
        self.options = options

    @abstractmethod
    def features(self, samples: Samples) -> int:
        """Return the width of the network's input for a spot, 0 for patches; refuse samples without that input."""

    @abstractmethod
    def make_network(self, blueprint: Blueprint) -> NetworkT:
        """Make the network; its weights are drawn from torch's generator."""

    @abstractmethod
    def batches(self, train: LabelledSamples, truth: Truth, seed: int) -> Callable[[int], Iterator[BatchT]]:
        """Return a function from an epoch to its batches."""

    @abstractmethod
    def losses(self, module: nn.Module, batch: BatchT) -> dict[str, Tensor]:
        """Compute the named losses of a step."""

    @abstractmethod
    def say(self, module: NetworkT, samples: Samples) -> Said:
        """Compute the output for every spot, in evaluation mode, on the CPU."""

    def prepare(self, module: NetworkT, train: LabelledSamples) -> None:
        """Set what the network takes from the training spots before the first step."""
        if self.options.start_at_mean and "counts" in train.beside:
            module.start_at(torch.as_tensor(train.beside["counts"].values))

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        self._blueprint = blueprint = draw_up(train, self.features(train))
        self._module = self.build(blueprint, context)
        self.prepare(self._module, train)
        fit_module(
            self._module,
            self.losses,
            self.batches(train, Truth.of(train, blueprint), context.seed),
            recipe=Recipe(
                epochs=self.options.epochs,
                lr=self.options.lr,
                optimiser="adamw",
                weight_decay=self.options.weight_decay,
                schedule="plateau",
                decay=0.5,
                decay_epochs=self.options.plateau_epochs,
                accumulate=self.options.accumulate,
            ),
            context=context,
            validate=None if val is None else self._selection(val, Truth.of(val, blueprint)),
        )

    @override
    @torch.no_grad()
    def predict(self, samples: Samples) -> Prediction:
        blueprint, module = self._made()
        self.features(samples)
        return to_prediction(self.say(module, samples), blueprint, self.options)

    @override
    def build(self, blueprint: Blueprint, context: FitContext) -> NetworkT:
        with seeded(context.seed):
            return self.make_network(blueprint)

    def _selection(self, val: LabelledSamples, truth: Truth) -> Callable[[nn.Module], float]:
        """Score by the negative total loss over all validation spots."""
        return lambda _: -float(losses(self.say(self._made()[1], val), truth, self.options)["loss"])


class Batch(NamedTuple):
    """The spots of one step.

    Attributes
    ----------
    patches
        (m, side, side, 3) uint8, seeds first.
    edges
        (2, e) int64, source and target.
    truth
        Of the seeds.
    """

    patches: Tensor
    edges: Tensor
    truth: Truth


class Hist2Scrna(CountMethod[Hist2ScrnaOptions, Batch, Hist2ScrnaNetwork]):
    """The full model."""

    @override
    def features(self, samples: Samples) -> int:
        samples.need_patches(_WHO)
        return 0

    @override
    def make_network(self, blueprint: Blueprint) -> Hist2ScrnaNetwork:
        return Hist2ScrnaNetwork(self.options, n_genes=len(blueprint.genes), n_classes=len(blueprint.classes))

    @override
    def batches(self, train: LabelledSamples, truth: Truth, seed: int) -> Callable[[int], Iterator[Batch]]:
        parts, patches = batching(train, self.options), train.need_patches(_WHO)
        return lambda epoch: (load_batch(patches, truth, part) for part in parts.training(seed, epoch))

    @override
    def losses(self, module: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return loss_on_seeds(module, batch, self.options)

    @override
    def say(self, module: Hist2ScrnaNetwork, samples: Samples) -> Said:
        patches, device = samples.need_patches(_WHO), next(module.parameters()).device
        parts = batching(samples, self.options)
        if parts.at_random:
            outputs = [
                module(_read(patches, part.nodes).to(device), torch.from_numpy(part.edges).to(device))
                for part in parts.prediction()
            ]
            return together(outputs)
        runs = np.split(np.arange(len(samples)), range(_PATCHES_AT_ONCE, len(samples), _PATCHES_AT_ONCE))
        encoded = torch.cat([module.encode(_read(patches, rows).to(device)) for rows in runs])
        whole = [grow(parts.links, rows, hops=0) for _, rows in samples.by_slide()]
        outputs = [module.read(encoded[part.nodes], torch.from_numpy(part.edges).to(device)) for part in whole]
        back = np.argsort(np.concatenate([part.nodes for part in whole]))
        return together(outputs).rows(torch.from_numpy(back))


def links(samples: Samples, options: Hist2ScrnaOptions, /) -> sparse.csr_matrix:
    """Link every spot to its nearest on the same slide: (n, n), 1 at [target, source], empty without a graph."""
    n = len(samples)
    if not options.graph:
        return sparse.csr_matrix((n, n), dtype=np.int8)
    microns = np.rint(samples.xy_um).astype(np.int64)
    near = adjacency(nearest_edges(microns, samples.slide_ids, k=options.neighbours), n)
    if options.direction == "from_neighbours":
        return near
    return near.T.tocsr() if options.direction == "to_neighbours" else near.maximum(near.T).tocsr()


def batching(samples: Samples, options: Hist2ScrnaOptions, /) -> Batching:
    """Return which spots share a step."""
    alone = options.graph_batch == "upstream" or not options.graph
    return Batching(
        samples=samples,
        links=links(samples, options),
        hops=0 if alone else _HOPS,
        part_spots=options.batch,
        at_random=alone,
    )


def load_batch(patches: Patches, truth: Truth, part: Subgraph, /) -> Batch:
    """Read the input of one step: each of m patches once, (2, e) edges, and the truth of the seeds."""
    seeds = part.nodes[: part.n_seeds]
    return Batch(_read(patches, part.nodes), torch.from_numpy(part.edges), truth.rows(seeds))


def loss_on_seeds(module: nn.Module, batch: Batch, options: Hist2ScrnaOptions, /) -> dict[str, Tensor]:
    """Compute the losses of the seeds; the other spots of the batch serve as their neighbours."""
    patches = batch.patches
    if options.augment:
        patches = jitter_colours(turn_at_random(patches, turns=_TURNS), _JITTER)
    output = module(patches, batch.edges)
    parts = losses(output.rows(slice(len(batch.truth.classes))), batch.truth, options)
    if options.smoothness and batch.edges.shape[1]:
        mean = output.zinb.clamped().log_mean.exp()
        parts["smoothness"] = (mean[batch.edges[0]] - mean[batch.edges[1]]).square().sum(dim=1).mean()
        parts["loss"] = parts["loss"] + options.smoothness * parts["smoothness"]
    return parts


def together(outputs: list[Said]) -> Said:
    """Concatenate the outputs for several sets of spots, on the CPU in float32."""
    zinb = Zinb(*(_stack(parts) for parts in zip(*(one.zinb for one in outputs), strict=True)))
    return Said(zinb, _stack([one.logits for one in outputs]), _stack([one.features for one in outputs]))


def _stack(parts: Iterable[Tensor]) -> Tensor:
    return torch.cat(list(parts)).float().cpu()


def _read(patches: Patches, rows: Int) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(patches[rows]))
